// Package nodefeaturerule has the types of Node Feature Discovery's template data, under its names, because %T shows them.
package nodefeaturerule

// MatchedElement is one matched flag, attribute or instance.
type MatchedElement map[string]string
type domainMatchedFeatures map[string][]MatchedElement
type matchedFeatures map[string]domainMatchedFeatures

// Data turns plain maps into the types a template gets.
func Data(plain map[string]map[string][]map[string]string) any {
	data := matchedFeatures{}
	for domain, features := range plain {
		data[domain] = domainMatchedFeatures{}
		for feature, elements := range features {
			list := []MatchedElement{}
			for _, element := range elements {
				list = append(list, MatchedElement(element))
			}
			data[domain][feature] = list
		}
	}
	return data
}
