package wire

import (
	"encoding/json"
	"testing"
)

func TestJSONMistakes(t *testing.T) {
	for body, want := range map[string]string{
		`[]`:                        "The request cannot be an array",
		`"x"`:                       "The request cannot be a string",
		`{"Name":{}}`:               "Name cannot be an object",
		`{"VpcConfig":[1]}`:         "VpcConfig cannot be an array",
		`{"VpcConfig":{"Size":""}}`: "VpcConfig.Size cannot be a string",
		`{"Least":1.5}`:             "Least cannot be a number 1.5",
		`{"Name"`:                   "Could not parse request body into json: unexpected end of JSON input",
	} {
		var in constrained
		if got := jsonMistake(json.Unmarshal([]byte(body), &in)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}
