// SPDX-License-Identifier: Apache-2.0

// Gopeer does with Go's own libraries what two of our figures measure: it
// executes templates, and it renders ExternalSecrets.  It is as small and as
// quick as one writes it without thinking of a race: functions are set once,
// nothing is checked that need not be.
//
//	gopeer templates CASES ROUNDS OUT
//	gopeer render MANIFESTS
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
)

var funcs = sprig.TxtFuncMap()

// execute is how External Secrets Operator calls the engine.
func execute(name, text string, data map[string]string, out *bytes.Buffer) error {
	t, err := template.New(name).Option("missingkey=error").Funcs(funcs).
		Parse(text)
	if err != nil {
		return err
	}
	return t.Execute(out, data)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "gopeer:", err)
		os.Exit(1)
	}
}

type testCase struct {
	Template string            `json:"template"`
	Data     map[string]string `json:"data"`
}

// templates prints the milliseconds of each round over all cases and leaves
// the last round's results in a file, a JSON string a line.
func templates(path string, rounds int, result string) {
	text, err := os.ReadFile(path)
	must(err)
	var cases []testCase
	must(json.Unmarshal(text, &cases))
	outs := make([]bytes.Buffer, len(cases))
	for ; rounds > 0; rounds-- {
		start := time.Now()
		for i := range cases {
			outs[i].Reset()
			must(execute("t", cases[i].Template, cases[i].Data, &outs[i]))
		}
		fmt.Println(float64(time.Since(start).Nanoseconds()) / 1e6)
	}
	f, err := os.Create(result)
	must(err)
	w := bufio.NewWriter(f)
	for i := range outs {
		fmt.Fprintf(w, "%d\n%s\n", outs[i].Len(), outs[i].Bytes())
	}
	must(w.Flush())
	must(f.Close())
}

func main() {
	time.Local = time.UTC
	switch {
	case len(os.Args) == 5 && os.Args[1] == "templates":
		rounds, err := strconv.Atoi(os.Args[3])
		must(err)
		templates(os.Args[2], rounds, os.Args[4])
	case len(os.Args) == 3 && os.Args[1] == "render":
		render(os.Args[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: gopeer templates CASES ROUNDS OUT | render MANIFESTS")
		os.Exit(2)
	}
}
