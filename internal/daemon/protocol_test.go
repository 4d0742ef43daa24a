package daemon

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
)

// What a function is given and what it answers comes through the lab's socket byte for byte, and can be read as JSON there.
func TestPayload(t *testing.T) {
	for raw, readable := range map[string]string{
		"":                           "",
		`{"a":"<b>&"}`:               `{"a":"<b>&"}`,
		"{\"a\": 1,\n\t\"b\":2}\n":   `{"a":1,"b":2}`,
		"\"\u2028 \u003c\"":          "\"\u2028 \u003c\"",
		`"\u003c" `:                  `"\u003c"`,
		"<html>&amp;":                `"<html>&amp;"`,
		"\xff\x00":                   `"\ufffd\u0000"`,
		"\"\xff\"":                   "\"\xff\"",
		"12345678901234567890.00e-1": "12345678901234567890.00e-1",
	} {
		w := httptest.NewRecorder()
		if err := answer(w, InvokeResult{Payload: NewPayload([]byte(raw))}); err != nil {
			t.Fatal(err)
		}
		var got InvokeResult
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || string(got.Bytes()) != raw || string(got.JSON) != readable {
			t.Errorf("%q comes as %q, and reads %s (%v)", raw, got.Bytes(), got.JSON, err)
		}
	}
}
