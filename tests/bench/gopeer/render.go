// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		Provider struct {
			Fake struct {
				Data []struct {
					Key   string `json:"key"`
					Value string `json:"value"`
				} `json:"data"`
			} `json:"fake"`
		} `json:"provider"`
		Target struct {
			Name     string `json:"name"`
			Template struct {
				Data map[string]string `json:"data"`
			} `json:"template"`
		} `json:"target"`
		SecretStoreRef struct {
			Name string `json:"name"`
		} `json:"secretStoreRef"`
		Data []struct {
			SecretKey string `json:"secretKey"`
			RemoteRef struct {
				Key string `json:"key"`
			} `json:"remoteRef"`
		} `json:"data"`
	} `json:"spec"`
}

type secret struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]string `json:"metadata"`
	Type       string            `json:"type"`
	Data       map[string][]byte `json:"data"`
}

func secretOf(o *object, values map[string]string) *secret {
	fetched := map[string]string{}
	for _, d := range o.Spec.Data {
		fetched[d.SecretKey] = values[d.RemoteRef.Key]
	}
	s := &secret{APIVersion: "v1", Kind: "Secret", Type: "Opaque",
		Metadata: map[string]string{"name": o.Spec.Target.Name,
			"namespace": o.Metadata.Namespace},
		Data: map[string][]byte{}}
	for key, text := range o.Spec.Target.Template.Data {
		var out bytes.Buffer
		must(execute(key, text, fetched, &out))
		s.Data[key] = out.Bytes()
	}
	return s
}

// render prints the Secret of each ExternalSecret.
func render(path string) {
	text, err := os.ReadFile(path)
	must(err)
	var all []*object
	stores := map[string]map[string]string{}
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		o := &object{}
		must(yaml.Unmarshal(document, o))
		if o.Kind == "ExternalSecret" {
			all = append(all, o)
			continue
		}
		values := map[string]string{}
		for _, d := range o.Spec.Provider.Fake.Data {
			values[d.Key] = d.Value
		}
		stores[o.Metadata.Namespace+"/"+o.Metadata.Name] = values
	}
	w := bufio.NewWriter(os.Stdout)
	for _, o := range all {
		s := secretOf(o, stores[o.Metadata.Namespace+"/"+
			o.Spec.SecretStoreRef.Name])
		out, err := yaml.Marshal(s)
		must(err)
		fmt.Fprintf(w, "---\n%s", out)
	}
	must(w.Flush())
}
