package wire

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// A page that a browser shows can send requests to loopback, too: without a preflight if they look like a form's, and it
// can read the answers if its own name is made to lead to loopback. It cannot send an Authorization header without one, and
// what it sends bears the name that it was fetched by. Neither AWS's clients nor scripts send what browsers do.

// fromPage tells whether a browser says that it sends a request on behalf of a page. (Sec-Fetch-Mode is no sign: Node.js
// sends it as well.)
func fromPage(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Referer") != "" || !slices.Contains([]string{"", "none"}, r.Header.Get("Sec-Fetch-Site"))
}

// isOwnName tells whether a host is one by which no page can have been fetched: an address, localhost (RFC 6761), or a name
// that this server was told is its own. Names of private networks are none: somebody hands them out.
func (s *Server) isOwnName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.ContainsFunc(s.config.Hosts, func(own string) bool { return strings.EqualFold(own, host) })
}
