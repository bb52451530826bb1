// SPDX-License-Identifier: Apache-2.0

// What sigs.k8s.io/yaml makes of YAML, for tests/tools/yaml_compare.c.  Files
// of the folders named are mutated, and documents are made up; each goes to
// stdout with its result, which is a JSON list of what the documents in it
// are, split as kubectl splits them.
//
//	yaml-peer [-seed N] [-count N] FOLDER…
//
// A record: length and text of the document, 1 for accepted, 0 for refused, 2
// where the result is a matter of luck (the keys 1 and "1" are two in Go, in
// JSON one, and which of them stays is up to Go's order of maps), length and text of the list or of the message.  Lengths are four bytes,
// little end first.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand"
	"os"
	"path/filepath"
	"strings"

	goyaml "go.yaml.in/yaml/v2"
	"sigs.k8s.io/yaml"
)

// split does as k8s.io/apimachinery/pkg/util/yaml, YAMLReader.Read: a line that
// begins with "---" ends a document, and only a comment may stand behind it.
func split(text []byte) ([][]byte, error) {
	var docs [][]byte
	var doc bytes.Buffer

	for _, line := range bytes.SplitAfter(text, []byte("\n")) {
		if bytes.HasPrefix(line, []byte("---")) {
			rest := bytes.TrimSpace(line[3:])
			if len(rest) > 0 && rest[0] != '#' {
				return nil, errors.New("separator")
			}
			if doc.Len() > 0 {
				docs = append(docs, bytes.Clone(doc.Bytes()))
				doc.Reset()
				continue
			}
		}
		doc.Write(line)
	}
	if doc.Len() > 0 {
		docs = append(docs, bytes.Clone(doc.Bytes()))
	}
	return docs, nil
}

func read(text []byte) ([]byte, error) {
	docs, err := split(text)
	if err != nil {
		return nil, err
	}
	all := [][]byte{}
	for _, d := range docs {
		j, err := yaml.YAMLToJSON(d)
		if err != nil {
			return nil, err
		}
		all = append(all, j)
	}
	return []byte("[" + string(bytes.Join(all, []byte(","))) + "]"), nil
}

func lucky(v interface{}) bool {
	switch v := v.(type) {
	case []interface{}:
		for _, e := range v {
			if lucky(e) {
				return true
			}
		}
	case map[interface{}]interface{}:
		seen := map[string]bool{}
		for k, e := range v {
			seen[fmt.Sprint(k)] = true
			if lucky(e) {
				return true
			}
		}
		return len(seen) < len(v)
	}
	return false
}

func anyLucky(text []byte) bool {
	docs, _ := split(text)
	for _, d := range docs {
		var v interface{}
		if goyaml.Unmarshal(d, &v) == nil && lucky(v) {
			return true
		}
	}
	return false
}

var rnd *rand.Rand

func pick(list ...string) string { return list[rnd.Intn(len(list))] }

// Pieces that YAML's scanner and its resolver treat each in a way of its own.
// The first plain of them are no error anywhere.
const plain = 48

var words = []string{
	"y", "Yes", "NO", "on", "off", "true", "False", "~", "null", "Null",
	"0", "-0", "+1", "007", "08", "0o17", "0x1F", "0b101", "1_000", "1__0",
	"_1", "1e3", "1E-3", "1.", ".5", "-.5", "1.50", ".inf", "-.Inf", ".nan",
	"1:20", "190:20:30", "2001-01-01", "2001-12-14t21:59:43.10-05:00",
	"2001-12-14 21:59:43", "9007199254740992", "18446744073709551615",
	"18446744073709551616", "1e400", "a", "b c", "a:b", "a#b", "a #b",
	"http://x/y?z=1&q", "{{ .x }}", "{{ .x | quote }}", "a,b", "[x", "x]",
	"-a", "- a", "--", "?a", ":a", "::", "@a", "`a", "%a", "!a", "&a", "*a",
	"|a", ">a", "'", "\"", "=", "<<", "é", "\u2028", "\u0085x", "\U0001f600",
	"\ufeff", "0.1.2", "1.2.3.4", "12e03", "0x", "1e", "+", "-", ".", "..",
	"...", "---", "- ", "", " ", "\t", "a\tb", "a\\nb", "nbsp\u00a0x",
}

// One of them; mostly one of those that stand anywhere.
func word() string {
	if rnd.Intn(4) > 0 {
		return words[rnd.Intn(plain)]
	}
	return words[rnd.Intn(len(words))]
}

func quoted(s string) string {
	if rnd.Intn(2) == 0 {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return `"` + pick(s, `a\nb`, `\x41\u00e9`, `\"`, `\\`, `\/`, `\t\0`,
		`\_\N`, `\U0001F600`, `\ud83d\ude00`, "a\n\n  b", "a\\\n   b",
		"  a  ", `\e\a\b`, `\'`, `\x4`) + `"`
}

func scalar(indent int) string {
	pad := strings.Repeat(" ", indent)
	switch rnd.Intn(12) {
	case 0, 1:
		return quoted(word())
	case 2:
		head := pick("|", ">") + pick("", "-", "+", "2", "1-", "+1", "9",
			" # c", "#c", " ", "0", "-+")
		text := head + "\n"
		for i := rnd.Intn(5); i >= 0; i-- {
			text += pick(pad, pad+" ", pad+"  ", pad+"\t", "", " ") +
				pick("x", "- x", "# x", "x: y", "", " ", "x  ",
					"{{ x }}", "---", "...", "\tx") + "\n"
		}
		return text + pick(pad+"z", "", pad, "#c")
	case 3:
		return word() + "\n" + pad +
			pick("", " ", "  ", "\t") + word()
	case 4:
		return pick("!!str ", "!!int ", "!!float ", "!!bool ", "!!null ",
			"!!binary ", "!own ", "! ", "!!map ", "!!timestamp ",
			"!<tag:yaml.org,2002:str> ", "!e!x ", "!!seq ", "!!merge ") +
			pick(word(), "aGVsbG8=", "'1'", "")
	case 5:
		return pick("*a", "*b", "&a ", "&b ", "&a") +
			pick("", word())
	}
	return word()
}

func key() string {
	switch rnd.Intn(14) {
	case 0:
		return quoted(word())
	case 1:
		return word()
	case 2:
		return "<<"
	case 3:
		return "? " + word() + "\n"
	case 4:
		return pick("&a k", "*a ", "!!str 1", "!!int '1'", "1.5", "0x10",
			"[a]", "{a: b}", "~", "")
	}
	return pick("a", "b", "c", "metadata", "name", "kind", "spec")
}

func flow(depth int) string {
	if depth > 3 || rnd.Intn(4) == 0 {
		return pick(scalar(0), word(), "a: b", "a:b",
			"\"a\":b", "'a': b", "? a", "? a : b", ":", "a:", "")
	}
	var parts []string
	for i := rnd.Intn(4); i > 0; i-- {
		if rnd.Intn(2) == 0 {
			parts = append(parts, key()+pick(": ", ":", " : ", ":\n ")+
				flow(depth+1))
		} else {
			parts = append(parts, flow(depth+1))
		}
	}
	body := strings.Join(parts, pick(",", ", ", " ,", ",\n  ", "\n,")) +
		pick("", "", ",", " # c\n ")
	if rnd.Intn(2) == 0 {
		return "{" + body + "}"
	}
	return "[" + body + "]"
}

func block(indent, depth int) string {
	pad := strings.Repeat(" ", indent)
	var text string

	for i := rnd.Intn(4); i >= 0; i-- {
		head := pad + key() + pick(":", ":", ":", ":", " :", ":\t")
		if rnd.Intn(3) == 0 {
			head = pad + pick("-", "-", "- -", "-\t", "- a:", "- ? a\n"+
				pad+"  :")
		}
		switch rnd.Intn(8) {
		case 0:
			if depth < 4 {
				text += head + pick("", " &a", " !!map", " # c") +
					"\n" + block(indent+rnd.Intn(4), depth+1)
				continue
			}
			fallthrough
		case 1:
			text += head + " " + flow(depth) + "\n"
		case 2:
			text += head + "\n"
		default:
			text += head + pick(" ", " ", "  ", "\t", "") +
				scalar(indent+1) + pick("", " # c", "\t# c", "#c", " ") +
				"\n"
		}
	}
	return text
}

func document() string {
	text := pick("", "", "", "# c\n", "---\n", "\ufeff", "%YAML 1.1\n---\n",
		"--- # c\n", "\n\n", "\t\n") + block(0, 0)
	for rnd.Intn(5) == 0 {
		text += pick("---\n", "--- \n", "---\t# c\n", "...\n", "--- a\n",
			"---a\n") + block(0, 0)
	}
	if rnd.Intn(30) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

var tokens = []string{"\t", " ", "\n", ": ", ":", "- ", "#", " #", "'", "\"",
	"{", "}", "[", "]", ",", "|", ">", "&a ", "*a", "!!str ", "? ", "<<: ",
	"---\n", "...\n", "\r\n", "\r", "\\", "%", "@", "`", "~", "0", "e", ".",
	"\ufeff", "\u2028", "\u0085", "\u00a0", "  ", "\n\n", "|\n", ">-\n"}

func mutate(text []byte) []byte {
	text = bytes.Clone(text)
	for i := 1 + rnd.Intn(2); i > 0 && len(text) > 0; i-- {
		at := rnd.Intn(len(text))
		to := at + rnd.Intn(min(len(text)-at, 20)+1)
		switch rnd.Intn(7) {
		case 0:
			text = append(text[:at:at], text[to:]...)
		case 1, 2:
			t := tokens[rnd.Intn(len(tokens))]
			text = append(text[:at:at], append([]byte(t), text[at:]...)...)
		case 3:
			text[at] = tokens[rnd.Intn(len(tokens))][0]
		case 4:
			t := words[rnd.Intn(len(words))]
			text = append(text[:at:at], append([]byte(t), text[to:]...)...)
		case 5:
			lines := bytes.SplitAfter(text, []byte("\n"))
			a, b := rnd.Intn(len(lines)), rnd.Intn(len(lines))
			if rnd.Intn(2) == 0 {
				lines[a] = lines[b]
			} else {
				lines[a] = append(bytes.Repeat([]byte(" "),
					rnd.Intn(5)), bytes.TrimLeft(lines[a], " ")...)
			}
			text = bytes.Join(lines, nil)
		case 6:
			text = append(text[:to:to], append(bytes.Clone(text[at:to]),
				text[to:]...)...)
		}
	}
	return text
}

func seeds(folders []string) [][]byte {
	var all [][]byte

	for _, f := range folders {
		names, err := filepath.Glob(filepath.Join(f, "*"))
		if err != nil {
			log.Fatal(err)
		}
		for _, n := range names {
			if b, err := os.ReadFile(n); err == nil && len(b) < 20000 {
				all = append(all, b)
			}
		}
	}
	return all
}

func put(w *bufio.Writer, b []byte) {
	var n [4]byte

	binary.LittleEndian.PutUint32(n[:], uint32(len(b)))
	w.Write(n[:])
	w.Write(b)
}

func record(w *bufio.Writer, text []byte) {
	list, err := read(text)
	put(w, text)
	if err != nil {
		w.WriteByte(0)
		put(w, []byte(fmt.Sprint(err)))
		put(w, nil)
	} else {
		how := byte(1)
		if anyLucky(text) {
			how = 2
		}
		again, err := yaml.JSONToYAML(list)
		if err != nil {
			again = nil
		}
		w.WriteByte(how)
		put(w, list)
		put(w, again)
	}
}

func main() {
	seed := flag.Int64("seed", 1, "")
	count := flag.Int("count", 10000, "")
	flag.Parse()
	rnd = rand.New(rand.NewSource(*seed))
	w := bufio.NewWriter(os.Stdout)
	from := seeds(flag.Args())
	for _, b := range from {
		record(w, b)
	}
	for i := 0; i < *count; i++ {
		if len(from) > 0 && i%2 == 0 {
			record(w, mutate(from[rnd.Intn(len(from))]))
		} else if i%6 == 1 {
			record(w, mutate([]byte(document())))
		} else {
			record(w, []byte(document()))
		}
	}
	if err := w.Flush(); err != nil {
		log.Fatal(err)
	}
}
