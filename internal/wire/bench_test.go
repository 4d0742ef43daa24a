package wire_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"enilab/internal/wire"
	"enilab/internal/wire/lambdaapi"
)

// BenchmarkInvoke is what the server adds to an invocation: to find, read, carry out and answer.
func BenchmarkInvoke(b *testing.B) {
	for name, size := range map[string]int{"100B": 100, "1MB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			server := wire.New(wire.Config{})
			wire.Handle(server, lambdaapi.Invoke, echo)
			s := wire.As(wire.Caller{Access: wire.Signed}, server)
			event := bytes.Repeat([]byte("x"), size)
			r := httptest.NewRequestWithContext(b.Context(), "POST", "http://localhost"+invokePath+"?Qualifier=1", nil)
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AK/20261123/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=00")
			r.ContentLength = int64(size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				r.Body = io.NopCloser(bytes.NewReader(event))
				w := httptest.NewRecorder()
				if s.ServeHTTP(w, r); w.Code != 200 || w.Body.Len() != size {
					b.Fatal(w.Code, w.Body.Len())
				}
			}
		})
	}
}

// BenchmarkInvokeTCP has 16 clients invoke over loopback: client and server together.
func BenchmarkInvokeTCP(b *testing.B) {
	url := serveTo(b, keyed, wire.Config{}, func(s *wire.Server) { wire.Handle(s, lambdaapi.Invoke, echo) }) + invokePath
	event := strings.Repeat("x", 100)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	signed := sign(b, request(b, "POST", url, event), keys, event, "lambda", time.Now())
	b.SetParallelism(8) // on 2 processors
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := signed.Clone(b.Context())
			r.Body = io.NopCloser(strings.NewReader(event))
			res, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			n, err := io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if err != nil || n != int64(len(event)) || res.StatusCode != 200 {
				b.Errorf("%d, %d bytes, %v", res.StatusCode, n, err)
				return
			}
		}
	})
}
