package wire_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"enilab/internal/wire"
)

type object struct{ *strings.Reader }

func (object) Close() error { return nil }

func TestDownloads(t *testing.T) {
	now := today
	s := wire.New(wire.Config{Now: func() time.Time { return now }})
	key := []byte("the lab's")
	d := s.Downloads(key, func(name string) (io.ReadSeekCloser, error) {
		if name != "f/$LATEST/abc" {
			return nil, fs.ErrNotExist
		}
		return object{strings.NewReader("the code")}, nil
	})
	front := httptest.NewServer(s)
	defer front.Close()
	host := strings.TrimPrefix(front.URL, "http://")
	get := func(u string) (int, string) {
		t.Helper()
		res, err := http.Get(u)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	good := d.URL(host, "f/$LATEST/abc")
	if status, body := get(good); status != 200 || body != "the code" {
		t.Errorf("%d %s", status, body)
	}
	if status, body := get(d.URL(host, "g")); status != 404 || !strings.Contains(body, "NoSuchKey") {
		t.Errorf("an object that is not there: %d %s", status, body)
	}
	for what, change := range map[string]func(*url.URL, url.Values){
		"another object": func(u *url.URL, _ url.Values) { u.Path += "x" },
		"no signature":   func(_ *url.URL, q url.Values) { q.Del("X-Amz-Signature") },
		"a later date": func(_ *url.URL, q url.Values) {
			q.Set("X-Amz-Date", now.Add(time.Hour).UTC().Format("20060102T150405Z"))
		},
		"no date":         func(_ *url.URL, q url.Values) { q.Del("X-Amz-Date") },
		"other signature": func(_ *url.URL, q url.Values) { q.Set("X-Amz-Signature", strings.Repeat("0", 64)) },
	} {
		u, err := url.Parse(good)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		change(u, q)
		u.RawQuery = q.Encode()
		if status, body := get(u.String()); status != 403 || !strings.Contains(body, "SignatureDoesNotMatch") {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
	again := wire.New(wire.Config{Now: func() time.Time { return now }}) // after a restart
	again.Downloads(key, func(string) (io.ReadSeekCloser, error) { return object{strings.NewReader("the code")}, nil })
	other := wire.New(wire.Config{Now: func() time.Time { return now }})
	other.Downloads(nil, func(string) (io.ReadSeekCloser, error) { return object{strings.NewReader("the code")}, nil })
	for server, want := range map[*wire.Server]int{again: 200, other: 403} {
		next := httptest.NewServer(server)
		defer next.Close()
		if status, body := get(strings.Replace(good, front.URL, next.URL, 1)); status != want {
			t.Errorf("another server: %d %s, want %d", status, body, want)
		}
	}
	now = now.Add(11 * time.Minute)
	if status, body := get(good); status != 403 || !strings.Contains(body, "Request has expired") {
		t.Errorf("an old URL: %d %s", status, body)
	}
}
