package lambda

import (
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	for want, r := range map[string]report{
		"END RequestId: id\nREPORT RequestId: id\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 31 MB\t\n": {
			took: 12_340 * time.Microsecond, memory: 128, used: 30<<20 + 1,
		},
		"END RequestId: id\nREPORT RequestId: id\tDuration: 1.00 ms\tBilled Duration: 6 ms\tMemory Size: 256 MB\tInit Duration: 4.56 ms\t\n": { // nobody knows the memory
			took: time.Millisecond, init: 4_560 * time.Microsecond, memory: 256,
		},
		"END RequestId: id\nREPORT RequestId: id\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tStatus: timeout\t\n": {
			took: 3 * time.Second, memory: 128, status: "timeout",
		},
		"END RequestId: id\nREPORT RequestId: id\tDuration: 0.00 ms\tBilled Duration: 0 ms\tMemory Size: 128 MB\tStatus: error\tError Type: Runtime.ExitError\t\n": {
			memory: 128, status: "error", errorType: "Runtime.ExitError",
		},
	} {
		r.requestID = "id"
		if got := string(r.appendTo(nil)); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	for want, r := range map[string]initReport{
		"INIT_REPORT Init Duration: 10000.12 ms\tPhase: init\tStatus: timeout\n":                                    {took: 10_000_120 * time.Microsecond, phase: "init", status: "timeout"},
		"INIT_REPORT Init Duration: 0.41 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.InvalidEntrypoint\n": {took: 410 * time.Microsecond, phase: "invoke", status: "error", errorType: "Runtime.InvalidEntrypoint"},
	} {
		if got := string(r.appendTo(nil)); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	if got := string(appendStart(nil, "id", "$LATEST")); got != "START RequestId: id Version: $LATEST\n" {
		t.Errorf("%q", got)
	}
}

func BenchmarkReport(b *testing.B) {
	l := &environmentLog{to: newFunctionLog(), environment: "f/1"}
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = appendStart(line[:0], "4b1e7f3c-2d3b-4c8e-9a63-1d2f0c9f7a55", "$LATEST")
		l.Write(line)
		r := report{requestID: "4b1e7f3c-2d3b-4c8e-9a63-1d2f0c9f7a55", took: 123456, memory: 128}
		line = r.appendTo(line[:0])
		l.Write(line)
	}
}
