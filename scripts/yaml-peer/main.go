// Yaml-peer reads manifests the way kubectl's resource builder does and prints what it saw, so that kuberules' own
// reader can be compared with it without Go at hand.
//
// In: a JSON array of {"name", "input"} on standard input (see cases.ts). Out: the same array, each case with
//   - documents: the JSON of every document up to the first error (null documents are skipped, as kubectl does);
//   - objects: the flattened objects of these documents, where all of them are objects;
//   - error, objectError: what was refused, if anything (their wording is not compared).
//
// To record:
//
//	npx tsx scripts/yaml-peer/cases.ts | (cd scripts/yaml-peer && go run .) > test/kube/yaml-peer.json
//	npx biome format --write test/kube/yaml-peer.json
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

type testCase struct {
	Name        string            `json:"name"`
	Input       string            `json:"input"`
	Documents   []json.RawMessage `json:"documents"`
	Error       string            `json:"error,omitempty"`
	Objects     []json.RawMessage `json:"objects,omitempty"`
	ObjectError string            `json:"objectError,omitempty"`
}

// readDocuments does what kubectl does with one file: any byte-order mark off, then one document after the other.
func readDocuments(text string) (documents []json.RawMessage, err error) {
	plain := transform.NewReader(strings.NewReader(text), unicode.BOMOverride(unicode.UTF8.NewDecoder()))
	decoder := yaml.NewYAMLOrJSONDecoder(plain, 4096)
	documents = []json.RawMessage{}
	for {
		extension := runtime.RawExtension{}
		if err := decoder.Decode(&extension); err != nil {
			if errors.Is(err, io.EOF) {
				return documents, nil
			}
			return documents, err
		}
		raw := bytes.TrimSpace(extension.Raw)
		if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			continue
		}
		documents = append(documents, json.RawMessage(raw))
	}
}

// readObjects takes lists apart, at any depth, and wants a kind and an API version of everything.
func readObjects(document []byte) (objects []json.RawMessage, err error) {
	object, kind, err := unstructured.UnstructuredJSONScheme.Decode(document, nil, nil)
	if err != nil {
		return nil, err
	}
	list, isList := object.(*unstructured.UnstructuredList)
	if !isList {
		if kind.Version == "" {
			return nil, fmt.Errorf("no apiVersion")
		}
		text, err := json.Marshal(object)
		return []json.RawMessage{text}, err
	}
	for i := range list.Items {
		text, err := json.Marshal(list.Items[i].Object)
		if err != nil {
			return nil, err
		}
		inner, err := readObjects(text)
		if err != nil {
			return nil, err
		}
		objects = append(objects, inner...)
	}
	return objects, nil
}

func main() {
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for i := range cases {
		each := &cases[i]
		documents, err := readDocuments(each.Input)
		each.Documents = documents
		if err != nil {
			each.Error = err.Error()
			continue
		}
		for _, document := range documents {
			objects, err := readObjects(document)
			if err != nil {
				each.ObjectError = err.Error()
				each.Objects = nil
				break
			}
			each.Objects = append(each.Objects, objects...)
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	if err := out.Encode(cases); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
