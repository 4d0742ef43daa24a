package lambda

import (
	"sync"
	"time"
)

// bucket limits how often something may be done: it holds up to burst tokens, gets rate a second, and gives one away for
// each call. It is how EC2 limits its API, each action by itself.
// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
type bucket struct {
	rate  float64 // tokens a second; zero: there is no limit
	burst float64

	mu     sync.Mutex // guards all below
	tokens float64
	filled time.Time
}

func newBucket(rate float64, burst int) *bucket {
	return &bucket{rate: rate, burst: float64(burst), tokens: float64(burst), filled: time.Now()}
}

// take tells whether one more call may be made now.
func (b *bucket) take() bool {
	if b.rate == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.filled).Seconds())
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
