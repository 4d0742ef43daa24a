package wire

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clockSkew is how far a signature's time may be from the server's.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html ("within five minutes of the time stamp")
const clockSkew = 5 * time.Minute

// admit refuses a request for what its signature says of itself, before the body is read. What it returns checks the
// signature once the body is there.
func (x *exchange) admit() (func(body []byte) error, error) {
	svc, r, a := x.service, x.r, x.auth
	p := svc.Protocol
	switch {
	case a.Service != svc.Name:
		return nil, p.refuse(badSignature, "Credential should be scoped to correct service: '%s'.", svc.Name)
	case !slices.Contains(a.signedHeaders, "host"):
		return nil, p.refuse(badSignature, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	signed, err := time.Parse(amzDate, a.time)
	if err != nil || a.Date != signed.Format("20060102") {
		return nil, p.refuse(badAuthorization, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
	}
	now := x.config.Now()
	switch age := now.Sub(signed); {
	case age < -clockSkew:
		return nil, p.refuse(expired, "Signature not yet current: %s is still later than %s (%s + 5 min.)",
			a.time, now.Add(clockSkew).UTC().Format(amzDate), now.UTC().Format(amzDate))
	case age > max(clockSkew, a.expires):
		return nil, p.refuse(expired, "Signature expired: %s is now earlier than %s (%s - %d min.)",
			a.time, now.Add(-max(clockSkew, a.expires)).UTC().Format(amzDate), now.UTC().Format(amzDate), max(clockSkew, a.expires)/time.Minute)
	}
	secret, ok := x.caller.secret(a.AccessKey, a.token)
	if !ok {
		return nil, x.unknownKey(p)
	}
	return func(body []byte) error {
		hash, ok := payloadHash(r, body)
		if !ok {
			return p.refuse(badSignature, "The provided 'x-amz-content-sha256' header does not match what was computed.")
		}
		if !hmac.Equal([]byte(a.signature), []byte(a.sign(secret, canonicalRequest(r, a, hash)))) {
			return p.refuse(badSignature, "The request signature we calculated does not match the signature you provided. "+
				"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
		}
		return nil
	}, nil
}

func (*exchange) unknownKey(p Protocol) *Error {
	if p == EC2Query {
		return p.refuse(unknownKey, "AWS was not able to validate the provided access credentials")
	}
	return p.refuse(unknownKey, "The security token included in the request is invalid.")
}

// sign is the signature of a canonical request.
func (a *authorization) sign(secret, canonical string) string {
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	key := []byte("AWS4" + secret)
	for _, part := range []string{a.Date, a.Region, a.Service, terminator} {
		key = mac(key, part)
	}
	hash := sha256.Sum256([]byte(canonical))
	return hex.EncodeToString(mac(key, strings.Join([]string{
		algorithm, a.time, strings.Join([]string{a.Date, a.Region, a.Service, terminator}, "/"), hex.EncodeToString(hash[:]),
	}, "\n")))
}

// payloadHash is the body's hash as the client signed it, and whether it is that of the body, or was left out.
func payloadHash(r *http.Request, body []byte) (string, bool) {
	const header = "X-Amz-Content-Sha256"
	declared := r.Header.Get(header)
	if declared == "" {
		declared = r.URL.Query().Get(header)
	}
	if declared == "UNSIGNED-PAYLOAD" {
		return declared, true
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	return hash, declared == "" || declared == hash
}

// canonicalRequest is what is signed.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func canonicalRequest(r *http.Request, a *authorization, payloadHash string) string {
	var b strings.Builder
	path, rawQuery, _ := strings.Cut(r.RequestURI, "?") // as the client wrote it
	if path == "" || path[0] != '/' {
		path = cmp.Or(r.URL.EscapedPath(), "/")
	}
	b.WriteString(r.Method + "\n" + escape(path, true) + "\n" + canonicalQuery(rawQuery) + "\n")
	for _, name := range a.signedHeaders {
		b.WriteString(name + ":" + headerText(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(a.signedHeaders, ";") + "\n" + payloadHash)
	return b.String()
}

// headerText is a header's values with single spaces. What the server took out of the headers is where it put it.
func headerText(r *http.Request, name string) string {
	values := r.Header.Values(name)
	switch {
	case name == "host":
		values = []string{r.Host}
	case name == "content-length" && len(values) == 0:
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	case name == "transfer-encoding" && len(values) == 0:
		values = r.TransferEncoding
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(texts, ",")
}

// canonicalQuery is the query with its parameters in order, but for the signature.
func canonicalQuery(raw string) string {
	var pairs [][2]string
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if pair == "" || key == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, [2]string{reescape(key), reescape(value)})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	texts := make([]string, len(pairs))
	for i, p := range pairs {
		texts[i] = p[0] + "=" + p[1]
	}
	return strings.Join(texts, "&")
}

// reescape writes an escaped text in the one way that is signed.
func reescape(s string) string {
	plain, err := url.QueryUnescape(s)
	if err != nil {
		plain = s
	}
	return escape(plain, false)
}

// escape writes all but unreserved characters (RFC 3986, section 2.3), and slashes if a path has them, as %XX.
func escape(s string, path bool) string {
	const hexDigits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, path && c == '/':
			b = append(b, c)
		default:
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(b)
}
