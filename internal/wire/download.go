package wire

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Downloads gives what is too large for an answer by URLs that it signs, as S3 does with presigned ones: whoever has one may
// read that object until it expires, and nobody can guess another.
type Downloads struct {
	open func(name string) (io.ReadSeekCloser, error)
	now  func() time.Time
	key  []byte
}

// downloadPath is where downloads are, on each host that the server answers on. No operation of a service is below it.
const downloadPath = "/_enilab/downloads/"

// downloadTime is how long a URL is good: as long as Lambda's. https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
const downloadTime = 10 * time.Minute

// Downloads has the server give what open opens. Of an object that is not there the error is fs.ErrNotExist. The key signs the
// URLs: those of a server that had the same key are good here, too. Without one the server makes its own.
func (s *Server) Downloads(key []byte, open func(name string) (io.ReadSeekCloser, error)) *Downloads {
	if len(key) == 0 {
		key = make([]byte, sha256.Size)
		_, _ = rand.Read(key) // it never fails
	}
	d := &Downloads{open: open, now: s.config.Now, key: key}
	s.downloads = d
	return d
}

// URL is where a client that asked a host can read an object.
func (d *Downloads) URL(host, name string) string {
	at := d.now().UTC().Format(amzDate)
	u := url.URL{Scheme: "http", Host: host, Path: downloadPath + name}
	u.RawQuery = url.Values{
		"X-Amz-Date": {at}, "X-Amz-Expires": {strconv.Itoa(int(downloadTime / time.Second))}, "X-Amz-Signature": {d.sign(name, at)},
	}.Encode()
	return u.String()
}

func (d *Downloads) sign(name, at string) string {
	mac := hmac.New(sha256.New, d.key)
	mac.Write([]byte(at + "\n" + name))
	return hex.EncodeToString(mac.Sum(nil))
}

// serve answers for a URL.
func (d *Downloads) serve(w http.ResponseWriter, r *http.Request, c Config) {
	refuse := func(status int, code, message string) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<Error><Code>"+code+"</Code><Message>"+message+"</Message></Error>")
	}
	name, q := strings.TrimPrefix(r.URL.Path, downloadPath), r.URL.Query()
	at, err := time.Parse(amzDate, q.Get("X-Amz-Date"))
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
		return
	case err != nil || !hmac.Equal([]byte(q.Get("X-Amz-Signature")), []byte(d.sign(name, q.Get("X-Amz-Date")))):
		refuse(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
		return
	case d.now().Sub(at) > downloadTime:
		refuse(http.StatusForbidden, "AccessDenied", "Request has expired")
		return
	}
	object, err := d.open(name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.Log.Error("a download failed", "name", name, "err", err)
		}
		refuse(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	defer object.Close()
	if size, err := object.Seek(0, io.SeekEnd); err == nil {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(c.Grace + time.Duration(size)*time.Second/rate))
	}
	w.Header().Set("Content-Type", "application/zip")
	http.ServeContent(w, r, "", time.Time{}, object)
}
