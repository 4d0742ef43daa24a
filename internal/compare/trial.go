package compare

import (
	"context"
	"errors"
	"sync"
	"time"

	"enilab/internal/lambda"
	"enilab/netlab"
)

// Trial starts environments of one function so that nothing but the start is measured: slots are made before, and
// environments torn down after, never within.
type Trial struct {
	Lambda   *lambda.Service
	Function string
	Mode     lambda.Mode // of the function
	Payload  []byte
}

// Prepare makes slots until n are ready.
func (t Trial) Prepare(ctx context.Context, n int) error { return t.Lambda.Pool(t.Mode).Fill(ctx, n) }

// Cold invokes once, in a new environment.
func (t Trial) Cold(ctx context.Context) (lambda.InvokeOutput, error) { return t.invoke(ctx, true) }

// Warm invokes once, in an environment that is there, if one is.
func (t Trial) Warm(ctx context.Context) (lambda.InvokeOutput, error) { return t.invoke(ctx, false) }

func (t Trial) invoke(ctx context.Context, fresh bool) (lambda.InvokeOutput, error) {
	out, err := t.Lambda.Invoke(ctx, lambda.InvokeInput{Function: lambda.FunctionRef{Name: t.Function}, Payload: t.Payload, Fresh: fresh})
	if err == nil && out.FunctionError != "" {
		err = errors.New(string(out.Payload))
	}
	return out, err
}

// Volley is what came of many invocations at once.
type Volley struct {
	Began time.Time             // the first request
	Wall  time.Duration         // from there to the last response
	Outs  []lambda.InvokeOutput // an element for each, as in
	Errs  []error
}

// AtOnce invokes n times at once, each in a new environment.
func (t Trial) AtOnce(ctx context.Context, n int) Volley {
	b := Volley{Outs: make([]lambda.InvokeOutput, n), Errs: make([]error, n)}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			b.Outs[i], b.Errs[i] = t.Cold(ctx)
		})
	}
	b.Began = time.Now()
	close(start)
	wg.Wait()
	b.Wall = time.Since(b.Began)
	return b
}

// End ends the function's environments and returns when the machine is as quiet as before.
func (t Trial) End(ctx context.Context) error {
	t.Lambda.RetireIdle(t.Function)
	return errors.Join(t.Lambda.Settle(), Calm(ctx))
}

// rest follows the end of namespaces. The kernel ends a namespace's devices first, and is busy with grace periods for
// some time after that: a device moved meanwhile waits for two of them, not one (32 ms, not 17).
const rest = 60 * time.Millisecond

// Calm returns when the kernel has ended the namespaces that were let go of, and has come to rest.
func Calm(ctx context.Context) error {
	err := netlab.Drain(ctx)
	select {
	case <-time.After(rest):
	case <-ctx.Done():
	}
	return err
}
