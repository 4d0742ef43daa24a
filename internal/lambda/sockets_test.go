package lambda_test

import (
	"slices"
	"strings"
	"testing"

	"enilab/internal/lambda"
	"enilab/internal/nstest"
)

// hoard fills connections that nobody reads, and says so when no more fits.
const hoard = `
import socket, time
l = socket.create_server(("127.0.0.1", 0))
kept = []
for i in range(8):
    c = socket.create_connection(l.getsockname())
    kept += [c, l.accept()[0]]
    c.setblocking(False)
    try:
        while True: c.send(bytes(1 << 20))
    except BlockingIOError: pass
print("full", flush=True)
time.sleep(100000)
`

// TestSocketsThatHoldTooMuch: the environment ends whose connections hold most, though it is idle and its memory is not used
// up; others do not notice. Its next event finds another.
func TestSocketsThatHoldTooMuch(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	for _, name := range []string{"hoard", "other"} {
		in := bash(t, `handler() {
			if [ "$1" = '"hoard"' ]; then
				exec 7< <(python3 -c '`+hoard+`'); read -r REPLY <&7
				REPLY="\"$REPLY\""
			else REPLY=1; fi
		}`)
		in.FunctionName, in.Mode, in.VpcConfig = name, lambda.Shared, vpcOf("blue")
		b.create(t, in)
	}
	first := b.invoke(t, "hoard", "hoard")
	if got := string(first.Payload); got != `"full"` {
		t.Skipf("no python3 in the sandbox: %s", got)
	}
	other := b.invoke(t, "other", nil)
	const share = 2 << 20
	ended, err := b.BoundSockets(share)
	must(t, err)
	if !slices.Equal(ended, []string{first.Environment}) {
		t.Errorf("ended %v, want %s alone", ended, first.Environment)
	}
	if ended, err = b.BoundSockets(share); err != nil || len(ended) > 0 && !slices.Equal(ended, []string{first.Environment}) {
		t.Errorf("then ended %v, %v", ended, err)
	}
	if again := b.invoke(t, "other", nil); again.Environment != other.Environment {
		t.Errorf("the other function has %s and no longer %s", again.Environment, other.Environment)
	}
	if again := b.invoke(t, "hoard", nil); again.Environment == first.Environment || again.FunctionError != "" {
		t.Errorf("the next event: %s, %s", again.Environment, again.Payload)
	}
}

// TestSocketsThatHoldTooMuchWhileBusy: the caller is told.
func TestSocketsThatHoldTooMuchWhileBusy(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	in := bash(t, `handler() { python3 -c '`+hoard+`' || REPLY=none; }`)
	in.FunctionName = "hoard"
	f := b.create(t, in)
	done := make(chan lambda.InvokeOutput)
	go func() {
		out, err := b.try(t, f, nil)
		if err != nil {
			t.Error(err)
		}
		done <- out
	}()
	for {
		select {
		case out := <-done:
			if string(out.Payload) == "none" {
				t.Skip("no python3 in the sandbox")
			}
			if !strings.Contains(string(out.Payload), "Runtime.OutOfMemory") || !strings.Contains(string(out.Payload), "connections") {
				t.Errorf("answer %s", out.Payload)
			}
			return
		default:
			_, err := b.BoundSockets(2 << 20)
			must(t, err)
		}
	}
}
