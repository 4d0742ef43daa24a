package lambda_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

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

// hoarding is a function that hoards when it is told to.
func hoarding(t *testing.T) lambda.CreateFunctionInput {
	t.Helper()
	return bash(t, `handler() {
		if [ "$1" = '"hoard"' ]; then
			exec 7< <(python3 -c '`+hoard+`'); read -r REPLY <&7
			REPLY="\"$REPLY\""
		else REPLY=1; fi
	}`)
}

// TestSocketsThatHoldTooMuch: the environment ends whose connections hold most, though it is idle and its memory is not used
// up; others do not notice. Its next event finds another.
func TestSocketsThatHoldTooMuch(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	for _, name := range []string{"hoard", "other"} {
		in := hoarding(t)
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

// TestSocketsAreWatched: nobody has to ask for that.
func TestSocketsAreWatched(t *testing.T) {
	nstest.NoLeaks(t)
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip(err)
	}
	b := newBed(t, func(c *lambda.Config) { c.SocketShare = 2 << 20 })
	for _, name := range []string{"hoard", "other"} {
		in := hoarding(t)
		in.FunctionName = name
		b.create(t, in)
	}
	other := b.invoke(t, "other", nil)
	if out := b.invoke(t, "hoard", "hoard"); string(out.Payload) == `"full"` {
		select {
		case <-b.idle(t, "hoard").Ended:
		case <-within(t, time.Minute).Done():
			t.Fatal("nobody minds what it holds")
		}
	} else if !strings.Contains(string(out.Payload), "its connections held more memory") { // it ended before it could answer
		t.Fatalf("%s", out.Payload)
	}
	if again := b.invoke(t, "other", nil); again.Environment != other.Environment {
		t.Errorf("the other function has %s and no longer %s", again.Environment, other.Environment)
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

// TestSocketsOfASharedInterface: what environments hold in one network namespace counts once where no control group counts for
// each, and if it is too much, all of them end.
func TestSocketsOfASharedInterface(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.Cgroups, c.Quotas.MemoryPerInterface = nil, 3072 })
	in := hoarding(t)
	in.FunctionName, in.Mode, in.VpcConfig = "f", lambda.Legacy, vpcOf("blue")
	f := b.create(t, in)
	hoarded := b.invoke(t, f, "hoard")
	if got := string(hoarded.Payload); got != `"full"` {
		t.Skipf("no python3 in the sandbox: %s", got)
	}
	held, err := b.Sockets()
	must(t, err)
	all := []string{hoarded.Environment}
	for range 2 {
		out, err := b.Invoke(t.Context(), lambda.InvokeInput{Function: b.ref(t, f), Fresh: true})
		must(t, err)
		all = append(all, out.Environment)
	}
	if list := b.interfaces("blue", lambda.Legacy); len(list) != 1 {
		t.Fatalf("%d interfaces for the environments %v, want one", len(list), all)
	}
	if ended, err := b.BoundSockets(held * 3 / 2); err != nil || len(ended) > 0 {
		t.Errorf("with a share of half as much again as they hold: %v end, %v", ended, err)
	}
	ended, err := b.BoundSockets(held / 2)
	must(t, err)
	slices.Sort(ended)
	slices.Sort(all)
	if !slices.Equal(ended, all) {
		t.Errorf("%v end, want %v", ended, all)
	}
}
