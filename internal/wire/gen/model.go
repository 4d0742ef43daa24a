package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// model is what is used of a service-2.json file.
type model struct {
	Metadata struct {
		APIVersion      string `json:"apiVersion"`
		EndpointPrefix  string `json:"endpointPrefix"`
		SigningName     string `json:"signingName"`
		Protocol        string `json:"protocol"`
		ServiceFullName string `json:"serviceFullName"`
		XMLNamespace    string `json:"xmlNamespace"`
	} `json:"metadata"`
	Operations map[string]*operation `json:"operations"`
	Shapes     map[string]*shape     `json:"shapes"`

	hash string // of the file
}

type operation struct {
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input         ref    `json:"input"`
	Output        ref    `json:"output"`
	Documentation string `json:"documentation"`
}

// ref is the use of a shape.
type ref struct {
	Shape         string `json:"shape"`
	Location      string `json:"location"`
	LocationName  string `json:"locationName"`
	QueryName     string `json:"queryName"`
	Flattened     bool   `json:"flattened"`
	ResultWrapper string `json:"resultWrapper"` // of an output
}

type shape struct {
	Type            string         `json:"type"`
	Members         map[string]ref `json:"members"`
	Member          ref            `json:"member"`
	Key             ref            `json:"key"`
	Value           ref            `json:"value"`
	Required        []string       `json:"required"`
	Payload         string         `json:"payload"`
	Flattened       bool           `json:"flattened"`
	TimestampFormat string         `json:"timestampFormat"`
	Documentation   string         `json:"documentation"`
}

// readModel reads a service's model, which a package may have compressed. Without one the error is fs.ErrNotExist.
func readModel(dir string, s service) (*model, error) {
	path := filepath.Join(dir, s.model, "service-2.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = readCompressed(path + ".gz")
	}
	if err != nil {
		return nil, fmt.Errorf("the model of %s: %w (Debian's package awscli has it)", s.model, err)
	}
	m := &model{hash: fmt.Sprintf("%x", sha256.Sum256(text))}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s: %v", path, err)
	}
	return m, nil
}

func readCompressed(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
