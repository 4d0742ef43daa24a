package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// TestInvokeGoesOnWithoutItsCaller: `enilab invoke` is interrupted while its function runs, which comes to its end as if it
// had not been: as with AWS's clients.
func TestInvokeGoesOnWithoutItsCaller(t *testing.T) {
	b := newBed(t, Settings{Internet: true})
	const bootstrap = "../../examples/functions/bash/bootstrap"
	text, err := os.ReadFile(bootstrap)
	must(t, err)
	code := filepath.Join(b.dir, "waits")
	must(t, os.Mkdir(code, 0o755))
	must(t, os.WriteFile(filepath.Join(code, "bootstrap"), text, 0o755))
	const handler = "handler() { echo began; read -t 1 < <(sleep 1000); echo the end; REPLY=1; }"
	must(t, os.WriteFile(filepath.Join(code, "function.sh"), []byte(handler), 0o644))
	const topology = "functions: {f: {code: ./waits, handler: function.handler, timeout: 60s}}"
	if a := b.up(t.Context(), topology, false); a.err != nil || len(a.failed) > 0 {
		t.Fatalf("%+v", a)
	}
	server := httptest.NewServer(b.control(http.NotFoundHandler()))
	t.Cleanup(server.Close)
	logged := func(ctx context.Context, follow bool, text string) bool {
		lines, err := b.lab.Lambda.Logs(ctx, "f", follow)
		must(t, err)
		for line := range lines {
			if line.Text == text {
				return true
			}
		}
		return false
	}
	ctx, interrupt := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		logged(ctx, true, "began")
		interrupt()
	}()
	body, err := json.Marshal(InvokeRequest{Function: "f", Payload: NewPayload([]byte("{}"))})
	must(t, err)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/v1/invoke", strings.NewReader(string(body)))
	must(t, err)
	answer, err := server.Client().Do(r)
	if err == nil {
		answer.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the caller got %+v, %v before it was interrupted", answer, err)
	}
	<-watched
	nstest.Eventually(t, 0, func() error {
		if !logged(t.Context(), false, "the end") {
			return errors.New("the function did not come to its end")
		}
		return nil
	})
}

// Who asks the daemon to leave has its answer before it does.
func TestLeaveIsAnswered(t *testing.T) {
	answer := httptest.NewRecorder()
	left := false
	d := &Daemon{leave: func() {
		left = true
		if !answer.Flushed || answer.Body.String() != "{}" || answer.Header().Get("Content-Length") != "2" {
			t.Errorf("it leaves with %q answered, flushed: %t", answer.Body, answer.Flushed)
		}
	}}
	must(t, d.serveLeave(answer, nil))
	if !left {
		t.Error("it stays")
	}
}
