package wire

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPagesAreRefused(t *testing.T) {
	s := As(Caller{Access: Signed}, New(Config{Hosts: []string{"host.docker.internal"}}))
	for name, c := range map[string]struct {
		host, header, value string
		refused             bool
	}{
		"a client":          {"127.0.0.1:4566", "User-Agent", "aws-cli/2", false},
		"by IPv6":           {"[::1]:4566", "", "", false},
		"by name":           {"localhost:4566", "", "", false},
		"by its own name":   {"a.localhost:4566", "", "", false},
		"in a container":    {"host.docker.internal:4566", "", "", false}, // up was told
		"of another case":   {"Host.Docker.Internal.", "", "", false},
		"node's fetch":      {"127.0.0.1:4566", "Sec-Fetch-Mode", "cors", false},
		"a page":            {"127.0.0.1:4566", "Origin", "http://evil.example", true},
		"a page of a file":  {"127.0.0.1:4566", "Origin", "null", true},
		"a page, by image":  {"127.0.0.1:4566", "Sec-Fetch-Site", "cross-site", true},
		"a page, by link":   {"192.168.1.5:4566", "Referer", "http://evil.example/", true}, // not trustworthy: no Sec-Fetch
		"a name rebound":    {"evil.example:4566", "", "", true},
		"a name rebound, .": {"evil.example.:4566", "", "", true},
		"of a router":       {"attacker.local", "", "", true},
		"a label":           {"attacker", "", "", true},
		"none":              {"", "", "", true},
		".test":             {"a.test", "", "", true},
		".internal":         {"a.internal", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/2015-03-31/functions", nil)
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AK/20261123/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=00")
			r.Host = c.host
			if c.header != "" {
				r.Header.Set(c.header, c.value)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			text := w.Body.String()
			if refused := strings.Contains(text, "page") || strings.Contains(text, "--host"); refused != c.refused || refused != (w.Code == 403) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
