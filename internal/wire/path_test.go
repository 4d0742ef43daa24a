package wire

import (
	"fmt"
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	var tree pathTree
	for _, uri := range []string{
		"GET /2015-03-31/functions/", "POST /2015-03-31/functions", "GET /2015-03-31/functions/{Name}", "POST /2015-03-31/functions/{Name}/invocations",
		"PUT /2017-10-31/functions/{Name}/concurrency", "GET /2015-03-31/functions/{Name}/versions/{Version}", "GET /tags/{ARN}",
		"GET /layers", "GET /layers?find=LayerVersion",
	} {
		var method, path string
		fmt.Sscan(uri, &method, &path)
		tree.add(&route{Spec: Spec{Name: uri, Method: method, URI: path}})
	}
	for request, want := range map[string]string{
		"GET /2015-03-31/functions":                                "GET /2015-03-31/functions/",
		"GET /2015-03-31/functions/":                               "GET /2015-03-31/functions/",
		"POST /2015-03-31/functions/":                              "POST /2015-03-31/functions",
		"GET /2015-03-31/functions/f":                              "GET /2015-03-31/functions/{Name} Name=f",
		"GET /2015-03-31/functions/f/":                             "GET /2015-03-31/functions/{Name} Name=f",
		"GET /2015-03-31/functions/arn%3Aaws:lambda%2Fx%20%25":     "GET /2015-03-31/functions/{Name} Name=arn:aws:lambda/x %",
		"POST /2015-03-31/functions/arn:aws:f:$LATEST/invocations": "POST /2015-03-31/functions/{Name}/invocations Name=arn:aws:f:$LATEST",
		"GET /2015-03-31/functions/f/versions/7":                   "GET /2015-03-31/functions/{Name}/versions/{Version} Name=f Version=7",
		"PUT /2017-10-31/functions/f/concurrency":                  "PUT /2017-10-31/functions/{Name}/concurrency Name=f",
		"PUT /2015-03-31/functions/f/concurrency":                  "",
		"DELETE /2015-03-31/functions/f":                           "",
		"POST /2015-03-31/functions//invocations":                  "",
		"GET /":                               "",
		"GET /2015-03-31":                     "",
		"GET /tags/a/b":                       "",
		"GET /layers":                         "GET /layers",
		"GET /layers?find=LayerVersion&Arn=a": "GET /layers?find=LayerVersion",
		"GET /layers?Arn=a&find=LayerVersion": "GET /layers?find=LayerVersion",
		"GET /layers?find=Other":              "GET /layers",
	} {
		var method, path string
		fmt.Sscan(request, &method, &path)
		path, query, _ := strings.Cut(path, "?")
		got := ""
		if r := tree.find(method, path, query); r != nil {
			got = r.Name
			if err := pathMembers(r.URI, path, func(name, value string) error {
				got += " " + name + "=" + value
				return nil
			}); err != nil {
				t.Errorf("%s: %v", request, err)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", request, got, want)
		}
	}
}
