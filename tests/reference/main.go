// The reference: NFD's own rule engine, for tests/nfd_client.rs.
//
// Reads jobs from standard input, one JSON object a line: {"features": …, "document": "…", "tags": […]}. Features have
// the form of `nfd export features`, and without them those of the job before serve again; the document is decoded as
// NFD's artifact client decodes it. Writes one JSON
// object a line: {"sets": [[true, false], …], "vars": {…}} or {"error": "…"} or {"decode": "…"} or {"panic": "…"}.
// The loop over sets and rules is that of NFD's pkg/client-nfd/compat/node-validator.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	compat "sigs.k8s.io/node-feature-discovery/api/image-compatibility/v1alpha1"
	nfd "sigs.k8s.io/node-feature-discovery/api/nfd/v1alpha1"
	"sigs.k8s.io/node-feature-discovery/pkg/apis/nfd/nodefeaturerule"
	"sigs.k8s.io/yaml"
)

type job struct {
	Features *nfd.Features `json:"features"`
	Document string        `json:"document"`
	Tags     []string      `json:"tags"`
}

type answer struct {
	Sets   [][]bool          `json:"sets,omitempty"`
	Vars   map[string]string `json:"vars,omitempty"`
	Error  string            `json:"error,omitempty"`
	Decode string            `json:"decode,omitempty"`
	Panic  string            `json:"panic,omitempty"`
}

func evaluate(j *job) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a = answer{Panic: fmt.Sprint(r)}
		}
	}()
	spec := compat.Spec{}
	if err := yaml.Unmarshal([]byte(j.Document), &spec); err != nil {
		return answer{Decode: err.Error()}
	}
	features := j.Features
	delete(features.Attributes, nfd.RuleBackrefDomain+"."+nfd.RuleBackrefFeature)
	for _, set := range spec.Compatibilties {
		if len(j.Tags) > 0 && !slices.Contains(j.Tags, set.Tag) {
			continue
		}
		rules := []bool{}
		for _, rule := range set.Rules {
			out, err := nodefeaturerule.ExecuteGroupRule(&rule, features, false)
			if err != nil {
				return answer{Error: err.Error()}
			}
			rules = append(rules, out.MatchStatus.IsMatch)
			features.InsertAttributeFeatures(nfd.RuleBackrefDomain, nfd.RuleBackrefFeature, out.Vars)
		}
		a.Sets = append(a.Sets, rules)
	}
	a.Vars = features.Attributes[nfd.RuleBackrefDomain+"."+nfd.RuleBackrefFeature].Elements
	return a
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<28)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	features := nfd.NewFeatures()
	for in.Scan() {
		j := job{}
		a := answer{}
		if err := json.Unmarshal(in.Bytes(), &j); err != nil {
			a.Panic = "the job is broken: " + err.Error()
		} else {
			if j.Features != nil {
				features = j.Features
			}
			j.Features = features
			a = evaluate(&j)
		}
		if err := encoder.Encode(a); err != nil {
			panic(err)
		}
	}
	if err := in.Err(); err != nil {
		panic(err)
	}
}
