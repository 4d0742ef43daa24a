package wire

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The one signing algorithm that is spoken. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
const (
	algorithm  = "AWS4-HMAC-SHA256"
	amzDate    = "20060102T150405Z"
	terminator = "aws4_request"
)

// authorization is what a request says about its signature, in its Authorization header or, presigned, in its query.
type authorization struct {
	AccessKey, Date, Region, Service string // the credential's scope

	signedHeaders []string
	signature     string // hexadecimal
	presigned     bool
	token         string        // X-Amz-Security-Token; empty if the credentials are not temporary
	time          string        // as X-Amz-Date has it
	expires       time.Duration // of a presigned request
}

// authorizationOf reads a request's signature; nil if it has none. Where none is needed a broken one is good for what
// could be read of it: both are returned.
func authorizationOf(r *http.Request) (*authorization, error) {
	if h := r.Header.Get("Authorization"); h != "" {
		a, err := parseAuthorization(h)
		a.time, a.token = r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Security-Token")
		if date := r.Header.Get("Date"); a.time == "" && date != "" {
			if t, err := http.ParseTime(date); err == nil {
				a.time = t.UTC().Format(amzDate)
			}
		}
		return a, err
	}
	if !strings.Contains(r.URL.RawQuery, "X-Amz-Credential") {
		return nil, nil
	}
	return parsePresigned(r.URL.Query())
}

// parseAuthorization reads AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=….
func parseAuthorization(header string) (*authorization, error) {
	a := new(authorization)
	name, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if name != algorithm {
		return a, fmt.Errorf("the algorithm is %q, not %s", name, algorithm)
	}
	var credential, headers string
	for part := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "Credential":
			credential = value
		case "SignedHeaders":
			headers = value
		case "Signature":
			a.signature = value
		}
	}
	return a, a.set(credential, headers)
}

// parsePresigned reads the same of a query.
func parsePresigned(q url.Values) (*authorization, error) {
	a := &authorization{presigned: true, time: q.Get("X-Amz-Date"), token: q.Get("X-Amz-Security-Token"), signature: q.Get("X-Amz-Signature")}
	if err := a.set(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders")); err != nil {
		return a, err
	}
	if name := q.Get("X-Amz-Algorithm"); name != algorithm {
		return a, fmt.Errorf("the algorithm is %q, not %s", name, algorithm)
	}
	expires, err := time.ParseDuration(q.Get("X-Amz-Expires") + "s")
	if err != nil || expires < 0 || expires > 7*24*time.Hour {
		return a, errors.New("the X-Amz-Expires must be a number of seconds up to 604800")
	}
	a.expires = expires
	return a, nil
}

func (a *authorization) set(credential, headers string) error {
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[0] == "" || scope[4] != terminator {
		return fmt.Errorf("the Credential must have the form KEY/DATE/REGION/SERVICE/%s", terminator)
	}
	a.AccessKey, a.Date, a.Region, a.Service = scope[0], scope[1], scope[2], scope[3]
	if headers == "" {
		return errors.New("the SignedHeaders are missing")
	}
	if a.signature == "" {
		return errors.New("the Signature is missing")
	}
	a.signedHeaders = strings.Split(headers, ";")
	return nil
}
