package lambda_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/sandbox"
)

// BenchmarkWarm invokes one function from 16 callers whose environments are there: the way of an event through the control
// plane and the Runtime API, and back.
func BenchmarkWarm(b *testing.B) {
	bed := newBed(b)
	f := bed.create(b, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue")})
	for _, tail := range []bool{false, true} {
		b.Run(fmt.Sprintf("tail=%v", tail), func(b *testing.B) {
			b.SetParallelism(max(1, 16/runtime.GOMAXPROCS(0)))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					out, err := bed.Invoke(b.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, LogTail: tail})
					if err != nil || out.FunctionError != "" {
						b.Errorf("%v %s", err, out.Payload)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "invocations/s")
		})
	}
}

// BenchmarkThousandFunctions makes and restores a lab of a thousand functions.
func BenchmarkThousandFunctions(b *testing.B) {
	const n = 1000
	path, change := durable(b)
	bed := newBed(b, change)
	_, err := sandbox.Store{Dir: bed.store}.Put("go.zip", bytes.NewReader(goFunction(b)), 0)
	must(b, err)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		began := time.Now()
		for i := range n {
			_, err := bed.CreateFunction(b.Context(), lambda.CreateFunctionInput{FunctionName: fmt.Sprintf("f-%d", i), StoreKey: "go.zip", VpcConfig: vpcOf([]string{"blue", "green"}[i%2])})
			must(b, err)
		}
		must(b, bed.Settle())
		b.ReportMetric(time.Since(began).Seconds(), "create-s")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/function")
		var restored time.Duration
		path = bed.crash(b, path, func() { restored = -time.Since(began) })
		restored += time.Since(began)
		b.ReportMetric(restored.Seconds(), "close+restore-s")
		for _, c := range bed.ListFunctions() {
			must(b, bed.DeleteFunction(lambda.FunctionRef{Name: c.FunctionName}))
		}
		must(b, bed.Settle())
	}
}

// BenchmarkCold makes environments without a pause, several at a time, and ends each behind its caller: the whole of what a
// cold start costs a machine, its slot and its end included.
func BenchmarkCold(b *testing.B) {
	bed := newBed(b)
	f := bed.create(b, lambda.CreateFunctionInput{FunctionName: "f", VpcConfig: vpcOf("blue")})
	for _, clients := range []int{4, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			b.SetParallelism(max(1, clients/runtime.GOMAXPROCS(0)))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					out, err := bed.Invoke(b.Context(), lambda.InvokeInput{Function: lambda.FunctionRef{Name: f}, Fresh: true})
					if err != nil || out.FunctionError != "" {
						b.Errorf("%v %s", err, out.Payload)
						return
					}
					bed.RetireIdle(f)
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "starts/s")
			must(b, bed.Settle())
		})
	}
}
