package main

import (
	"compress/gzip"
	"embed"
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

//go:embed models/*.json.gz
var models embed.FS

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

// readModel reads a service's model.
func readModel(s service) (*model, error) {
	f, err := models.Open("models/" + s.pkg + ".json.gz")
	if err != nil {
		return nil, fmt.Errorf("the model of %s: %w; -import brings it", s.model, err)
	}
	defer f.Close()
	return decodeModel(f)
}

func decodeModel(r io.Reader) (*model, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	m := new(model)
	return m, json.NewDecoder(z).Decode(m)
}

var version = regexp.MustCompile(`(?m)^__version__ = '(.*)'$`)

// importModels writes what is used of botocore's models. The text of their documentation is left out, but for the
// sentences that become comments.
func importModels(botocore, to string) error {
	text, err := os.ReadFile(filepath.Join(botocore, "__init__.py"))
	if err != nil {
		return err
	}
	if found := version.FindSubmatch(text); found == nil || string(found[1]) != release {
		return fmt.Errorf("%s is botocore %q, and gen/model.go says %s", botocore, found[1:], release)
	}
	for _, s := range services {
		m, err := readPublished(filepath.Join(botocore, "data", s.model, "service-2.json"))
		if err != nil {
			return err
		}
		for _, op := range m.Operations {
			op.Documentation = firstSentence(op.Documentation)
		}
		for _, shape := range m.Shapes {
			shape.Documentation = firstSentence(shape.Documentation)
		}
		if err := writeModel(filepath.Join(to, s.pkg+".json.gz"), m); err != nil {
			return err
		}
	}
	return nil
}

// readPublished reads a model, which a release may have compressed.
func readPublished(path string) (*model, error) {
	f, err := os.Open(path + ".gz")
	if err == nil {
		defer f.Close()
		return decodeModel(f)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := new(model)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s: %v", path, err)
	}
	return m, nil
}

func writeModel(path string, m *model) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, _ := gzip.NewWriterLevel(f, gzip.BestCompression) // without a name and a time: the same model makes the same file
	e := json.NewEncoder(z)
	e.SetEscapeHTML(false)
	return errors.Join(e.Encode(m), z.Close())
}
