package rollout

import (
	"iter"
	"math/rand/v2"
	"time"
)

// request is one of the workload: when it is due, for which function, and whether it needs a new environment.
type request struct {
	due      time.Duration
	function int
	fresh    bool
}

// schedule is the workload: open loop, so what is due does not hang on any answer. Requests are evenly spaced, beginning
// with half a space, and go round the functions. Of each round as many are fresh as their share says, what is left over being carried to the next;
// the seed chooses whose they are. It has no end.
func (o Options) schedule() iter.Seq[request] {
	return func(yield func(request) bool) {
		chance := rand.New(rand.NewPCG(o.Seed, 0))
		owed := 0.0
		for i := 0; ; {
			owed += o.Fresh * float64(o.Functions)
			fresh := make([]bool, o.Functions)
			for _, f := range chance.Perm(o.Functions)[:min(int(owed+1e-9), o.Functions)] {
				fresh[f] = true
				owed--
			}
			for f := range o.Functions {
				due := time.Duration((float64(i) + 0.5) / o.Rate * float64(time.Second))
				if !yield(request{due, f, fresh[f]}) {
					return
				}
				i++
			}
		}
	}
}

// gap is how long before a fresh request its function's idle environments end: half of the time between two requests to
// it, so that the one before has been served, and their end is not in the measured start.
func (o Options) gap() time.Duration {
	half := time.Duration(float64(o.Functions) / o.Rate / 2 * float64(time.Second))
	return min(half, 100*time.Millisecond)
}
