package daemon

import (
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"

	"enilab/internal/memory"
)

// limitHeap has the collector work harder before the control plane has half of the memory that there is: it may be confined to
// little, which the lab's servers and the processes of slots need, too.
func limitHeap(log *slog.Logger) {
	left, err := memory.Available("/proc")
	if err != nil {
		log.Warn("how much memory there is cannot be told", "error", err)
		return
	}
	var own runtime.MemStats
	runtime.ReadMemStats(&own)
	debug.SetMemoryLimit(int64(own.Sys) + left/2)
}

// eventMemory is what events that wait may take at the moment: an eighth of what is left. They wait for hours, and all of them
// are there again when the next daemon starts.
func eventMemory() int64 {
	left, err := memory.Available("/proc")
	if err != nil {
		return math.MaxInt64 // the control plane's own bound alone
	}
	return left / 8
}

// requestMemory is what requests' bodies may take together at the moment: a quarter of what is left. A body is decoded to
// about as much again, and what has been thrown away is not collected at once.
func requestMemory() int64 {
	left, err := memory.Available("/proc")
	if err != nil {
		return math.MaxInt64 // the server's own bound alone
	}
	return left / 4
}
