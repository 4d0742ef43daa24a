package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// release is the one of botocore that the models are from. It is named here and nowhere else.
const release = "1.43.67"

// model is what is used of a service-2.json file.
type model struct {
	Metadata struct {
		APIVersion      string `json:"apiVersion"`
		EndpointPrefix  string `json:"endpointPrefix"`
		SigningName     string `json:"signingName,omitempty"`
		Protocol        string `json:"protocol"`
		ServiceFullName string `json:"serviceFullName"`
		XMLNamespace    string `json:"xmlNamespace,omitempty"`
	} `json:"metadata"`
	Operations map[string]*operation `json:"operations"`
	Shapes     map[string]*shape     `json:"shapes"`
}

type operation struct {
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode,omitempty"`
	} `json:"http"`
	Input         ref    `json:"input,omitzero"`
	Output        ref    `json:"output,omitzero"`
	Documentation string `json:"documentation,omitempty"`
}

// ref is the use of a shape.
type ref struct {
	Shape         string `json:"shape"`
	Location      string `json:"location,omitempty"`
	LocationName  string `json:"locationName,omitempty"`
	QueryName     string `json:"queryName,omitempty"`
	Flattened     bool   `json:"flattened,omitempty"`
	ResultWrapper string `json:"resultWrapper,omitempty"` // of an output
}

type shape struct {
	Type            string         `json:"type"`
	Members         map[string]ref `json:"members,omitempty"`
	Member          ref            `json:"member,omitzero"`
	Key             ref            `json:"key,omitzero"`
	Value           ref            `json:"value,omitzero"`
	Required        []string       `json:"required,omitempty"`
	Payload         string         `json:"payload,omitempty"`
	Flattened       bool           `json:"flattened,omitempty"`
	TimestampFormat string         `json:"timestampFormat,omitempty"`
	Documentation   string         `json:"documentation,omitempty"`

	// Constraints: of a number's value, or of the length of anything else.
	Min       *json.Number `json:"min,omitempty"`
	Max       *json.Number `json:"max,omitempty"`
	Pattern   string       `json:"pattern,omitempty"`
	Enum      []string     `json:"enum,omitempty"`
	Sensitive bool         `json:"sensitive,omitempty"` // no message shows it
}

var version = regexp.MustCompile(`(?m)^__version__ = '(.*)'$`)

// checkRelease tells whether a directory is botocore of the release that is named above.
func checkRelease(botocore string) error {
	text, err := os.ReadFile(filepath.Join(botocore, "__init__.py"))
	if err != nil {
		return err
	}
	if found := version.FindSubmatch(text); found == nil || string(found[1]) != release {
		return fmt.Errorf("%s is botocore %q, and gen/model.go says %s", botocore, found[1:], release)
	}
	return nil
}

// readModel reads a service's model from botocore's directory. A release may have compressed it.
func readModel(botocore string, s service) (*model, error) {
	path := filepath.Join(botocore, "data", s.model, "service-2.json")
	f, err := os.Open(path + ".gz")
	if errors.Is(err, fs.ErrNotExist) {
		if f, err = os.Open(path); err == nil {
			defer f.Close()
			return decodeModel(path, f)
		}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s.gz: %v", path, err)
	}
	return decodeModel(path, z)
}

func decodeModel(path string, r io.Reader) (*model, error) {
	m := new(model)
	if err := json.NewDecoder(r).Decode(m); err != nil {
		return nil, fmt.Errorf("%s: %v", path, err)
	}
	return m, nil
}
