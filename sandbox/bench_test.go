package sandbox_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/internal/testlab"
	"enilab/sandbox"
)

// BenchmarkStartTrue starts /bin/true. It reports medians: of what is done ahead of time, control group included,
// and of Start alone; ns/op is the whole life of the environment.
func BenchmarkStartTrue(b *testing.B) {
	for _, limited := range []bool{false, true} {
		b.Run(fmt.Sprintf("cgroup=%v", limited), func(b *testing.B) {
			c := config(b, "")
			c.Command = []string{"/bin/true"}
			parking := sandbox.Limits{Memory: 128 << 20, Pids: 1024, VCPUs: 2, Weight: 7}
			var groups *sandbox.Cgroups
			if limited {
				if err := sandbox.CheckCgroups(); err != nil {
					b.Skip(err)
				}
				var err error
				if groups, err = sandbox.NewCgroups(testlab.Name(b, "bench")); err != nil {
					b.Fatal(err)
				}
				defer groups.Close()
				c.Limits = sandbox.Limits{Memory: 512 << 20, Pids: 1024, VCPUs: 2, Weight: 28}
			}
			var parked, started, closed []time.Duration
			number := 0
			park := func() *sandbox.Launcher {
				began := time.Now()
				if number++; limited {
					var err error
					if c.Cgroup, err = groups.New(fmt.Sprintf("env-%d", number), parking); err != nil {
						b.Fatal(err)
					}
				}
				l, err := c.zygote.Park(b.Context(), c.ParkConfig)
				if err != nil {
					b.Fatal(err)
				}
				parked = append(parked, time.Since(began))
				return l
			}
			next := park()
			for b.Loop() {
				l := next
				next = park() // so that what is started has waited, as in a pool
				began := time.Now()
				p, err := l.Start(b.Context(), c.Config)
				if err != nil {
					b.Fatal(err)
				}
				started = append(started, time.Since(began))
				p.Exit()
				exited := time.Now()
				if err := p.Close(); err != nil {
					b.Fatal(err)
				}
				closed = append(closed, time.Since(exited))
			}
			if err := next.Close(); err != nil {
				b.Error(err)
			}
			b.ReportMetric(median(parked), "park-µs")
			b.ReportMetric(median(started), "start-µs")
			b.ReportMetric(float64(slices.Min(started).Nanoseconds())/1e3, "start-min-µs")
			b.ReportMetric(median(closed), "close-µs")
		})
	}
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Nanoseconds()) / 1e3
}

// BenchmarkFill fills a pool with slots without a tunnel, as many at a time as there are processors, and empties it.
func BenchmarkFill(b *testing.B) {
	nstest.NeedRoot(b)
	const slots = 16
	parking := &sandbox.Parking{}
	defer parking.Close()
	if !nstest.Rootless() {
		parking.FirstUID = 61000
	}
	var filled []time.Duration
	for b.Loop() {
		pool := sandbox.NewPool(parking.Slots(sandbox.NewBareSlot))
		began := time.Now()
		if err := pool.Fill(b.Context(), slots); err != nil {
			b.Fatal(err)
		}
		filled = append(filled, time.Since(began)/slots)
		if err := pool.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(median(filled), "fill-µs/slot")
}
