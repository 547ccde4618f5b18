// The reference for varsTemplate: executes every template of corpus.txt over data.json with Go's text/template and sprig,
// as Node Feature Discovery 0.19 does, and prints what came out as JSON. See ../data/template/README.md.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"

	"reference-template/nodefeaturerule"
)

type result struct {
	Template string  `json:"template"`
	Output   *string `json:"output,omitempty"`
	Error    string  `json:"error,omitempty"`
}

func run(source string, data any) (out string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	functions := sprig.TxtFuncMap()
	for _, name := range []string{"env", "expandenv", "getHostByName"} {
		delete(functions, name)
	}
	t, err := template.New("").Funcs(functions).Option("missingkey=error").Parse(source)
	if err != nil {
		return "", err
	}
	var buffer bytes.Buffer
	err = t.Execute(&buffer, data)
	return buffer.String(), err
}

func main() {
	var plain map[string]map[string][]map[string]string
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err != nil {
		panic(err)
	}
	corpus, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	var results []result
	for _, line := range strings.Split(strings.TrimRight(string(corpus), "\n"), "\n") {
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		r := result{Template: strings.ReplaceAll(line, "⏎", "\n")}
		if out, err := run(r.Template, nodefeaturerule.Data(plain)); err != nil {
			r.Error = err.Error()
		} else {
			out = strings.ToValidUTF8(out, "\uFFFD")
			r.Output = &out
		}
		results = append(results, r)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(results); err != nil {
		panic(err)
	}
}
