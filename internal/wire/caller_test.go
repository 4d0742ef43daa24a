package wire_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
	"enilab/internal/wire/iamapi"
	"enilab/internal/wire/lambdaapi"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// TestAccess sends requests of several kinds as callers of every access.
func TestAccess(t *testing.T) {
	const vpcs = "Action=DescribeVpcs&Version=2016-11-15"
	anybody := keys
	anybody.AccessKeyID, anybody.SecretAccessKey = "test", "test"
	presigned := func(url string, by string) *http.Request {
		credentials := keys
		if by != "" {
			credentials.AccessKeyID = by
		}
		r := request(t, "GET", url+"/?X-Amz-Expires=60&"+vpcs, "")
		empty := sha256.Sum256(nil)
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, hex.EncodeToString(empty[:]), "ec2", "eu-west-1", today)
		if err != nil {
			t.Fatal(err)
		}
		return request(t, "GET", signed, "")
	}
	const event = `{"a":1}`
	requests := map[string]func(url string) *http.Request{
		"unsigned":          func(url string) *http.Request { return request(t, "POST", url, vpcs) },
		"unsigned, by page": func(url string) *http.Request { return request(t, "GET", url+"/?"+vpcs, "") },
		"unsigned event":    func(url string) *http.Request { return request(t, "POST", url+invokePath, event) },
		"broken":            func(url string) *http.Request { return request(t, "POST", url, vpcs, "Authorization", "Basic YTpi") },
		"anybody's": func(url string) *http.Request {
			return sign(t, request(t, "POST", url, vpcs), anybody, vpcs, "ec2", today)
		},
		"anybody's event": func(url string) *http.Request {
			return sign(t, request(t, "POST", url+invokePath, event), anybody, event, "lambda", today)
		},
		"presigned, anybody": func(url string) *http.Request { return presigned(url, "test") },
		"keyed": func(url string) *http.Request {
			return sign(t, request(t, "POST", url, vpcs), keys, vpcs, "ec2", today)
		},
		"keyed event": func(url string) *http.Request {
			return sign(t, request(t, "POST", url+invokePath, event), keys, event, "lambda", today)
		},
		"presigned, keyed": func(url string) *http.Request { return presigned(url, "") },
	}
	refused := map[string]map[string]string{ // the error's code
		"free": {},
		"signed": {
			"unsigned": "MissingAuthenticationToken", "unsigned, by page": "MissingAuthenticationToken", "unsigned event": "MissingAuthenticationTokenException",
			"broken": "IncompleteSignature", "presigned, anybody": "AuthFailure",
		},
		"keyed": {
			"unsigned": "MissingAuthenticationToken", "unsigned, by page": "MissingAuthenticationToken", "unsigned event": "MissingAuthenticationTokenException",
			"broken": "IncompleteSignature", "anybody's": "AuthFailure", "anybody's event": "UnrecognizedClientException", "presigned, anybody": "AuthFailure",
		},
		"nobody": {
			"unsigned": "MissingAuthenticationToken", "unsigned, by page": "MissingAuthenticationToken", "unsigned event": "MissingAuthenticationTokenException",
			"broken": "IncompleteSignature", "anybody's": "AuthFailure", "anybody's event": "UnrecognizedClientException", "presigned, anybody": "AuthFailure",
			"keyed": "AuthFailure", "keyed event": "UnrecognizedClientException", "presigned, keyed": "AuthFailure",
		},
	}
	for access, caller := range map[string]wire.Caller{
		"free": {Access: wire.Free}, "signed": {Access: wire.Signed, Secret: secret}, "keyed": {Access: wire.Keyed, Secret: secret}, "nobody": {},
	} {
		url := serveTo(t, func(net.Conn) wire.Caller { return caller }, wire.Config{Now: func() time.Time { return today }}, func(s *wire.Server) {
			respond(s, ec2api.DescribeVpcs, nil, nil)
			wire.Handle(s, lambdaapi.Invoke, echo)
		})
		for name, r := range requests {
			t.Run(access+", "+name, func(t *testing.T) {
				a, want := send(t, r(url)), refused[access][name]
				switch {
				case want == "" && a.Status != 200:
					t.Errorf("refused: %+v", a)
				case want != "" && a.Header.Get("X-Amzn-ErrorType") != want && !strings.Contains(a.Body, "<Code>"+want+"</Code>"):
					t.Errorf("%+v, want %s", a, want)
				}
			})
		}
	}
}

// TestStrangersTakeNoMemory: of a request that is signed with no key of the lab's, no byte of the body is waited for, whatever it
// is for.
func TestStrangersTakeNoMemory(t *testing.T) {
	url := serveTo(t, keyed, wire.Config{}, func(s *wire.Server) {
		respond(s, ec2api.DescribeVpcs, nil, nil)
		wire.Handle(s, lambdaapi.Invoke, echo)
	})
	for _, service := range []string{"lambda", "ec2", "s3"} {
		for _, path := range []string{"/", invokePath} {
			c := dial(t, url)
			if _, err := io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000000\r\n"+
				"Authorization: AWS4-HMAC-SHA256 Credential=AKSTRANGER/20261123/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=00\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if a, _ := readAnswer(t, c); a.Status != 403 && a.Status != 401 {
				t.Errorf("%s %s: %+v", service, path, a)
			}
		}
	}
}

// TestCallerIsFoundOnce: of a connection, however many requests come on it.
func TestCallerIsFoundOnce(t *testing.T) {
	var asked atomic.Int32
	var seen *answering[ec2api.DescribeVpcsRequest, ec2api.DescribeVpcsResult]
	url := serveTo(t, func(c net.Conn) wire.Caller {
		if _, ok := c.RemoteAddr().(*net.TCPAddr); !ok {
			t.Errorf("asked for %v", c)
		}
		asked.Add(1)
		return wire.Caller{Access: wire.Free}
	}, wire.Config{}, func(s *wire.Server) { seen = respond(s, ec2api.DescribeVpcs, nil, nil) })
	idle := dial(t, url)
	defer idle.Close()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for range 3 {
		res, err := client.Do(request(t, "POST", url, "Action=DescribeVpcs&Version=2016-11-15"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != 200 {
			t.Fatal(res.StatusCode, err)
		}
	}
	same(t, "asked", asked.Load(), int32(1)) // and not for the connection that says nothing
	same(t, "access", seen.req.Caller.Access, wire.Free)
}

// TestAuthorize: what may not be done is refused in each protocol's words, after the signature is known to be good.
func TestAuthorize(t *testing.T) {
	var verdict error
	url := serve(t, wire.Config{Authorize: func(r *wire.Request, in any) error {
		if _, ok := in.(*ec2api.DescribeVpcsRequest); !ok && r.Service == "ec2" {
			t.Errorf("asked about %T", in)
		}
		return verdict
	}}, func(s *wire.Server) {
		respond(s, ec2api.DescribeVpcs, nil, nil)
		respond(s, iamapi.ListRoles, &iamapi.ListRolesResponse{}, nil)
		wire.Handle(s, lambdaapi.Invoke, echo)
	})
	for _, c := range []struct {
		err              error
		lambda, iam, ec2 string
	}{
		{nil, "", "", ""},
		{errors.New("User: x is not authorized"), "AccessDeniedException", "AccessDenied", "UnauthorizedOperation"},
		{fmt.Errorf("session: %w", wire.ErrUnknownToken), "UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"},
		{fmt.Errorf("session: %w", wire.ErrExpiredToken), "ExpiredTokenException", "ExpiredToken", "RequestExpired"},
	} {
		verdict = c.err
		for code, r := range map[string]*http.Request{
			"lambda " + c.lambda: request(t, "POST", url+invokePath, "{}"),
			"iam " + c.iam:       request(t, "POST", url, "Action=ListRoles&Version=2010-05-08"),
			"ec2 " + c.ec2:       request(t, "POST", url, "Action=DescribeVpcs&Version=2016-11-15"),
		} {
			a := send(t, r)
			_, want, _ := strings.Cut(code, " ")
			if (a.Status == 200) != (want == "") || want != "" && a.Header.Get("X-Amzn-ErrorType") != want && !strings.Contains(a.Body, "<Code>"+want+"</Code>") {
				t.Errorf("%v: %+v, want %s", c.err, a, code)
			}
		}
	}
}
