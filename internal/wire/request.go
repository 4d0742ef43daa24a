package wire

import (
	"context"
	"net/http"
)

// Request is what a handler may know of a request besides its input.
type Request struct {
	ID           string      // what x-amzn-RequestId answers; a handler may set another before it returns
	Service      string      // such as "ec2"
	Operation    string      // such as "DescribeVpcs"
	Region       string      // of the signature's scope, or else the server's
	Account      string      // the server's: nothing in a request tells it
	AccessKey    string      // empty if the request is not signed
	Verified     bool        // the signature was checked
	Caller       Caller      // who is at the other end of the connection
	SessionToken string      // of temporary credentials, if the access key is one's
	Host         string      // that the client asked, with its port
	Header       http.Header // of the request; not to be changed
	Answer       http.Header // headers to answer with besides the protocol's; they reach clients that are refused as well
}

type requestKey struct{}

// RequestOf is the request that a handler's context belongs to; nil for other contexts.
func RequestOf(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	return r
}
