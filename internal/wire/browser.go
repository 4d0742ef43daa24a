package wire

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// A page that a browser shows can send requests to loopback, too: without a preflight if they look like a form's, and it
// can read the answers if its own name is made to lead to loopback. Neither AWS's clients nor scripts send what browsers do.

// fromPage tells whether a browser sent a request on behalf of a page, or to a name that anybody could own.
func fromPage(r *http.Request) bool {
	if r.Header.Get("Origin") != "" || !slices.Contains([]string{"", "none"}, r.Header.Get("Sec-Fetch-Site")) {
		return true
	}
	return !isOwnName(r.Host)
}

// isOwnName tells whether a host is an address, or a name that nobody can register: of one label, or of a private domain
// (RFC 6761, RFC 6762, and ICANN's .internal).
func isOwnName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	at := strings.LastIndexByte(host, '.')
	return at < 0 || slices.Contains([]string{"localhost", "local", "internal", "test"}, host[at+1:])
}
