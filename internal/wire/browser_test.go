package wire

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPagesAreRefused(t *testing.T) {
	s := New(Config{})
	for name, c := range map[string]struct {
		host, header, value string
		refused             bool
	}{
		"a client":          {"127.0.0.1:4566", "User-Agent", "aws-cli/2", false},
		"by IPv6":           {"[::1]:4566", "", "", false},
		"by name":           {"localhost:4566", "", "", false},
		"in a container":    {"host.docker.internal:4566", "", "", false},
		"a page":            {"127.0.0.1:4566", "Origin", "http://evil.example", true},
		"a page of a file":  {"127.0.0.1:4566", "Origin", "null", true},
		"a page, by image":  {"127.0.0.1:4566", "Sec-Fetch-Site", "cross-site", true},
		"the address bar":   {"127.0.0.1:4566", "Sec-Fetch-Site", "none", false},
		"a name rebound":    {"evil.example:4566", "", "", true},
		"a name rebound, .": {"evil.example.:4566", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/2015-03-31/functions", nil)
			r.Host = c.host
			if c.header != "" {
				r.Header.Set(c.header, c.value)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if refused := strings.Contains(w.Body.String(), "page"); refused != c.refused || refused != (w.Code == 403) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
