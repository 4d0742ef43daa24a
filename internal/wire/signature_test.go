package wire_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
	"enilab/internal/wire/iamapi"
	"enilab/internal/wire/lambdaapi"
	"enilab/internal/wire/stsapi"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var keys = aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: "token"}

// sign signs as AWS's SDK does.
func sign(t testing.TB, r *http.Request, keys aws.Credentials, body, service string, at time.Time) *http.Request {
	t.Helper()
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, r, hashOf(body), service, "eu-west-1", at); err != nil {
		t.Fatal(err)
	}
	return r
}

func hashOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

func signedServer(t *testing.T) string {
	return serveTo(t, keyed, wire.Config{Now: func() time.Time { return today }}, func(s *wire.Server) {
		respond(s, lambdaapi.Invoke, &lambdaapi.InvocationResponse{}, nil)
		respond(s, lambdaapi.UntagResource, nil, nil)
		respond(s, ec2api.DescribeVpcs, nil, nil)
		respond(s, iamapi.ListRoles, nil, nil)
		respond(s, stsapi.GetCallerIdentity, &stsapi.GetCallerIdentityResponse{}, nil)
	})
}

func TestSignatures(t *testing.T) {
	url := signedServer(t)
	other := keys
	other.SecretAccessKey = "another"
	stranger := keys
	stranger.AccessKeyID = "AKIDSTRANGER"
	const form, event, invoke = "Action=DescribeVpcs&Version=2016-11-15", `{"a":1}`, "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af/invocations?Qualifier=%24LATEST&X-Amz-Note=a%2Bb%20c"
	const roles = "Action=ListRoles&Version=2010-05-08"
	presigned := func(method, path string, expires string, at time.Time) *http.Request {
		r := request(t, method, url+path, "")
		q := r.URL.Query()
		q.Set("X-Amz-Expires", expires)
		r.URL.RawQuery = q.Encode()
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), keys, r, hashOf(""), "sts", "eu-west-1", at)
		if err != nil {
			t.Fatal(err)
		}
		return request(t, method, signed, "")
	}
	unsignedPayload := request(t, "POST", url+invoke, event, "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, unsignedPayload, "UNSIGNED-PAYLOAD", "lambda", "eu-west-1", today); err != nil {
		t.Fatal(err)
	}
	changed := func(r *http.Request, change func(*http.Request)) *http.Request {
		change(r)
		return r
	}
	const caller = "/?Action=GetCallerIdentity&Version=2011-06-15"
	for name, c := range map[string]struct {
		r    *http.Request
		want string // the error's code; empty if it is to be taken
	}{
		"lambda":                  {sign(t, request(t, "POST", url+invoke, event), keys, event, "lambda", today), ""},
		"lambda, odd spaces":      {sign(t, request(t, "POST", url+invoke, event, "X-Amz-Meta", "  a   b "), keys, event, "lambda", today), ""},
		"lambda, sorted query":    {sign(t, request(t, "DELETE", url+"/2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af?tagKeys=b&tagKeys=a%20b&X-Amz-B=&X-Amz-A", ""), keys, "", "lambda", today), ""},
		"lambda, payload":         {unsignedPayload, ""},
		"lambda, 4 min old":       {sign(t, request(t, "POST", url+invoke, event), keys, event, "lambda", today.Add(-4*time.Minute)), ""},
		"lambda, 6 min old":       {sign(t, request(t, "POST", url+invoke, event), keys, event, "lambda", today.Add(-6*time.Minute)), "InvalidSignatureException"},
		"lambda, 6 min early":     {sign(t, request(t, "POST", url+invoke, event), keys, event, "lambda", today.Add(6*time.Minute)), "InvalidSignatureException"},
		"lambda, other body":      {sign(t, request(t, "POST", url+invoke, event), keys, "{}", "lambda", today), "InvalidSignatureException"},
		"lambda, other secret":    {sign(t, request(t, "POST", url+invoke, event), other, event, "lambda", today), "InvalidSignatureException"},
		"lambda, stranger":        {sign(t, request(t, "POST", url+invoke, event), stranger, event, "lambda", today), "UnrecognizedClientException"},
		"lambda, none":            {request(t, "POST", url+invoke, event), "MissingAuthenticationTokenException"},
		"lambda, basic":           {request(t, "POST", url+invoke, event, "Authorization", "Basic YTpi"), "IncompleteSignatureException"},
		"lambda, header added":    {changed(sign(t, request(t, "POST", url+invoke, event), keys, event, "lambda", today), func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }), "InvalidSignatureException"},
		"lambda, query changed":   {changed(sign(t, request(t, "POST", url+invoke, event), keys, event, "lambda", today), func(r *http.Request) { r.URL.RawQuery = "Qualifier=x" }), "InvalidSignatureException"},
		"lambda, for ec2":         {sign(t, request(t, "POST", url+invoke, event), keys, event, "ec2", today), "InvalidAction"},
		"lambda, for s3":          {sign(t, request(t, "POST", url+invoke, event), keys, event, "s3", today), "InvalidSignatureException"},
		"lambda, declared hash":   {sign(t, request(t, "POST", url+invoke, event, "X-Amz-Content-Sha256", hashOf("x")), keys, "x", "lambda", today), "InvalidSignatureException"},
		"ec2":                     {sign(t, request(t, "POST", url, form), keys, form, "ec2", today), ""},
		"ec2, old":                {sign(t, request(t, "POST", url, form), keys, form, "ec2", today.Add(-time.Hour)), "RequestExpired"},
		"ec2, other secret":       {sign(t, request(t, "POST", url, form), other, form, "ec2", today), "SignatureDoesNotMatch"},
		"ec2, stranger":           {sign(t, request(t, "POST", url, form), stranger, form, "ec2", today), "AuthFailure"},
		"ec2, none":               {request(t, "POST", url, form), "MissingAuthenticationToken"},
		"ec2, for s3":             {sign(t, request(t, "POST", url, form), keys, form, "s3", today), "SignatureDoesNotMatch"},
		"ec2, for iam":            {sign(t, request(t, "POST", url, form), keys, form, "iam", today), "InvalidAction"},
		"iam":                     {sign(t, request(t, "POST", url, roles), keys, roles, "iam", today), ""},
		"iam, old":                {sign(t, request(t, "POST", url, roles), keys, roles, "iam", today.Add(-time.Hour)), "SignatureDoesNotMatch"},
		"iam, stranger":           {sign(t, request(t, "POST", url, roles), stranger, roles, "iam", today), "InvalidClientTokenId"},
		"iam, none":               {request(t, "POST", url, roles), "MissingAuthenticationToken"},
		"sts, presigned":          {presigned("GET", caller, "60", today), ""},
		"sts, presigned, in time": {presigned("GET", caller, "3600", today.Add(-59*time.Minute)), ""},
		"sts, presigned, late":    {presigned("GET", caller, "3600", today.Add(-61*time.Minute)), "SignatureDoesNotMatch"},
		"sts, presigned, POST":    {changed(presigned("GET", caller, "60", today), func(r *http.Request) { r.Method = "POST" }), "SignatureDoesNotMatch"},
		"sts, presigned too long": {presigned("GET", caller, "604801", today), "IncompleteSignature"},
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, c.r)
			switch {
			case c.want == "" && a.Status >= 300:
				t.Errorf("refused: %d %s", a.Status, a.Body)
			case c.want != "" && a.Header.Get("X-Amzn-ErrorType") != c.want && !strings.Contains(a.Body, "<Code>"+c.want+"</Code>"):
				t.Errorf("%d %s %s, want %s", a.Status, a.Header.Get("X-Amzn-ErrorType"), a.Body, c.want)
			}
		})
	}
}

// TestUnsigned shows what is known of a request that nobody checks.
func TestUnsigned(t *testing.T) {
	var vpcs *answering[ec2api.DescribeVpcsRequest, ec2api.DescribeVpcsResult]
	var who *answering[stsapi.GetCallerIdentityRequest, stsapi.GetCallerIdentityResponse]
	server := serve(t, wire.Config{Region: "us-east-1", Account: "999999999999"}, func(s *wire.Server) {
		vpcs = respond(s, ec2api.DescribeVpcs, nil, nil)
		who = respond(s, stsapi.GetCallerIdentity, nil, nil)
	})
	scoped := "AWS4-HMAC-SHA256 Credential=AK/20200101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=00"
	for name, c := range map[string]struct {
		r           *http.Request
		region, key string
	}{
		"without":       {request(t, "POST", server, "Action=DescribeVpcs&Version=2016-11-15"), "us-east-1", ""},
		"no version":    {request(t, "POST", server, "Action=DescribeVpcs"), "us-east-1", ""},
		"in the query":  {request(t, "GET", server+"/?Action=DescribeVpcs&Version=2016-11-15", ""), "us-east-1", ""},
		"old and wrong": {request(t, "POST", server, "Action=DescribeVpcs", "Authorization", scoped), "eu-west-1", "AK"},
		"garbage":       {request(t, "POST", server, "Action=DescribeVpcs", "Authorization", "AWS4-HMAC-SHA256 Credential=////,=,"), "us-east-1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if a := send(t, c.r); a.Status != 200 {
				t.Fatalf("%+v", a)
			}
			same(t, "region", vpcs.req.Region, c.region)
			same(t, "key", vpcs.req.AccessKey, c.key)
			same(t, "account", vpcs.req.Account, "999999999999")
			same(t, "verified", vpcs.req.Verified, false)
		})
	}
	q := url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}}
	if a := send(t, request(t, "GET", server+"/?"+q.Encode(), "")); a.Status != 200 || who.in == nil {
		t.Errorf("%+v", a)
	}
}
