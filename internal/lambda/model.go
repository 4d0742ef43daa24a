package lambda

import (
	"context"
	"time"

	"enilab/sandbox"
)

// Model adds what AWS's control plane takes besides the network: delays that no kernel causes. In a timeline they are
// spans of their own, of kind Modelled. The zero Model adds nothing.
type Model struct {
	AWS   bool    // apply AWS's delays
	Scale float64 // how many times faster than on AWS; zero means 1
}

// What AWS's control plane takes.
const (
	// hyperplaneSetup is the making of a Hyperplane ENI, during which the function is Pending: "can take 90 seconds".
	// https://aws.amazon.com/blogs/compute/announcing-improved-vpc-networking-for-aws-lambda-functions/
	hyperplaneSetup = 90 * time.Second
	// hyperplaneDeletion is how long a Hyperplane ENI outlives its last function: "up to 20 minutes".
	// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
	hyperplaneDeletion = 20 * time.Minute
	// interfaceAttach is EC2's making and attaching of an interface: "can take up to 10 seconds".
	// https://github.com/aws/amazon-vpc-cni-k8s (on why it keeps interfaces warm)
	interfaceAttach = 10 * time.Second
)

// speed is how many times faster than AWS the model runs.
func (m Model) speed() float64 {
	if m.Scale > 0 {
		return m.Scale
	}
	return 1
}

// delay is what a modelled delay takes here; zero without a model.
func (m Model) delay(d time.Duration) time.Duration {
	if !m.AWS {
		return 0
	}
	return time.Duration(float64(d) / m.speed())
}

// wait lets a modelled delay pass.
func (m Model) wait(ctx context.Context, d time.Duration) error {
	d = m.delay(d)
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// steps is the wait as a step of a cold start, a span of its own; none without a model.
func (m Model) steps(ctx context.Context, name string, d time.Duration) []sandbox.Step {
	if m.delay(d) == 0 {
		return nil
	}
	return []sandbox.Step{{Name: name, Kind: sandbox.Modelled, Run: func() error { return m.wait(ctx, d) }}}
}
