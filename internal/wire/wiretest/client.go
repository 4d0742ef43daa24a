// Package wiretest is for tests that speak to the wire with an SDK of AWS.
package wiretest

import (
	"bytes"
	"io"
	"net/http"
)

// Client is an HTTP client whose requests have bodies of their own: smithy-go 1.28 closes a request's body as soon as the
// answer begins, which net/http may take for an error while it still looks for the body's end.
type Client struct{ Transport *http.Transport }

// Do sends a request and returns its answer.
func (c Client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(b))
	}
	return c.Transport.RoundTrip(r)
}
