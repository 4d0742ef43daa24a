package lambda

import "context"

// queue lets so many at a time work on what a machine has little of: processors, and the one lock of all network
// configuration. To have all of them try at once makes none of them faster, and each wait in the midst of its work.
type queue chan struct{}

// enter waits for a turn, and tells whether it had to. Who got one leaves.
func (q queue) enter(ctx context.Context) (waited bool, err error) {
	select {
	case q <- struct{}{}:
		return false, nil
	default:
	}
	select {
	case q <- struct{}{}:
		return true, nil
	case <-ctx.Done():
		return true, context.Cause(ctx)
	}
}

func (q queue) leave() { <-q }
