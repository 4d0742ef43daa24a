package api

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
	"enilab/internal/wire/iamapi"
	"enilab/internal/wire/lambdaapi"
	"enilab/internal/wire/stsapi"
)

// TestNothingUnknownIsTaken asks every operation for something that it has not: it is refused by its name, before any handler.
func TestNothingUnknownIsTaken(t *testing.T) {
	s := wire.New(wire.Config{})
	register(s, Config{})
	server := wire.As(wire.Caller{Access: wire.Free}, s)
	refuses := func(op wire.Spec, r *http.Request, name string, codes ...string) {
		t.Helper()
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		text := w.Body.String() + w.Header().Get("X-Amzn-ErrorType")
		known := func(code string) bool { return strings.Contains(text, code) }
		if w.Code != 400 || !strings.Contains(text, name+" is not recognized") || !slices.ContainsFunc(codes, known) {
			t.Errorf("%s's %s: %d %s", op.Service.Name, op.Name, w.Code, text)
		}
	}
	for _, op := range slices.Concat(ec2api.Operations(), iamapi.Operations(), stsapi.Operations()) {
		r := httptest.NewRequest("POST", "/", strings.NewReader("Action="+op.Name+"&Version="+op.Service.Version+"&Colour=red"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		refuses(op, r, "Colour", "UnknownParameter", "InvalidQueryParameter")
	}
	for _, op := range lambdaapi.Operations() {
		path := regexp.MustCompile(`\{\w+\+?\}`).ReplaceAllString(op.URI, "1")
		query := "?"
		if strings.Contains(path, "?") {
			query = "&"
		}
		refuses(op, httptest.NewRequest(op.Method, path+query+"Colour=red", nil), "Colour", "InvalidParameterValueException")
		if op.Name != "Invoke" { // its body is the function's
			r := httptest.NewRequest(op.Method, path, strings.NewReader(`{"Colour":"red"}`))
			refuses(op, r, "Colour", "InvalidParameterValueException")
		}
	}
}
