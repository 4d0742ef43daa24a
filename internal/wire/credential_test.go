package wire

import (
	"net/url"
	"strings"
	"testing"
)

const goodAuthorization = "AWS4-HMAC-SHA256 Credential=AKID/20261123/eu-west-1/ec2/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=0a1b"

func TestParseAuthorization(t *testing.T) {
	for header, complaint := range map[string]string{
		goodAuthorization: "",
		strings.ReplaceAll(goodAuthorization, ", ", ","):                                    "",
		strings.Replace(goodAuthorization, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", 1): `algorithm is "AWS4-ECDSA-P256-SHA256"`,
		strings.Replace(goodAuthorization, "/aws4_request", "", 1):                          "the Credential must",
		strings.Replace(goodAuthorization, "AKID/", "/", 1):                                 "the Credential must",
		strings.Replace(goodAuthorization, "Signature", "Sig", 1):                           "the Signature is missing",
		strings.Replace(goodAuthorization, "SignedHeaders", "Headers", 1):                   "the SignedHeaders are missing",
		"":                 "algorithm",
		"AWS4-HMAC-SHA256": "the Credential must",
	} {
		a, err := parseAuthorization(header)
		switch {
		case complaint != "":
			if err == nil || !strings.Contains(err.Error(), complaint) {
				t.Errorf("%s: %v, want %s", header, err, complaint)
			}
		case err != nil:
			t.Errorf("%s: %v", header, err)
		case a.AccessKey != "AKID" || a.Date != "20261123" || a.Region != "eu-west-1" || a.Service != "ec2" || len(a.signedHeaders) != 3 || a.signature != "0a1b":
			t.Errorf("%s: %+v", header, a)
		}
	}
}

// FuzzAuthorization holds: what is taken has all parts, and says the same when it is written anew; and the query of a
// presigned request with the same parts is understood alike.
func FuzzAuthorization(f *testing.F) {
	f.Add(goodAuthorization)
	f.Add("AWS4-HMAC-SHA256 Signature=,,Credential=a/b/c/d/aws4_request,SignedHeaders=;")
	f.Add("Basic YTpi")
	f.Fuzz(func(t *testing.T, header string) {
		a, err := parseAuthorization(header)
		if err != nil {
			return
		}
		scope := strings.Join([]string{a.AccessKey, a.Date, a.Region, a.Service, terminator}, "/")
		headers := strings.Join(a.signedHeaders, ";")
		again, err := parseAuthorization(algorithm + " Credential=" + scope + ", SignedHeaders=" + headers + ", Signature=" + a.signature)
		if err != nil || again.AccessKey != a.AccessKey || again.Service != a.Service || again.signature != a.signature || strings.Join(again.signedHeaders, ";") != headers {
			t.Errorf("%q: %+v became %+v, %v", header, a, again, err)
		}
		p, err := parsePresigned(url.Values{
			"X-Amz-Algorithm": {algorithm}, "X-Amz-Credential": {scope}, "X-Amz-SignedHeaders": {headers}, "X-Amz-Signature": {a.signature}, "X-Amz-Expires": {"60"},
		})
		if err != nil || p.AccessKey != a.AccessKey || !p.presigned {
			t.Errorf("presigned %q: %+v, %v", header, p, err)
		}
	})
}

// TestEscape compares with RFC 3986: all but unreserved characters are escaped.
func TestEscape(t *testing.T) {
	for in, want := range map[string]string{"aZ09-._~": "aZ09-._~", "a b+c/ä%": "a%20b%2Bc%2F%C3%A4%25"} {
		if got := escape(in, false); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if got := escape("/a%3Ab/", true); got != "/a%253Ab/" {
		t.Errorf("a path: %s", got)
	}
}
