package lambda

import (
	"cmp"
	"sync"

	"enilab/sandbox"
)

// concurrency counts executions against the account's limit and the functions' reservations.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
type concurrency struct {
	limit int

	mu       sync.Mutex // guards all below, and the share of every function
	reserved int        // of all functions
	common   int        // executions that no reservation covers
}

// share is a function's part of the account's concurrency. Guarded by concurrency.mu.
type share struct {
	reserved *int // nil: none
	running  int  // executions
}

// minUnreserved is what reservations must leave to the functions without one.
// https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html: "as long as you leave at least 100
// simultaneous executions unreserved". By that rule an account with a small limit, which a lab may have to show throttling,
// could reserve nothing: there, half of the limit stays.
const minUnreserved = 100

func minUnreservedOf(limit int) int { return min(minUnreserved, limit/2) }

func (c *concurrency) keep() int { return minUnreservedOf(c.limit) }

// enter admits an execution, or throttles it. What it returns is for leave.
func (c *concurrency) enter(f *function) (common bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case f.reserved != nil && f.running >= *f.reserved:
		return false, throttle(ThrottledByReservation)
	case f.reserved == nil && c.common >= c.limit-c.reserved:
		return false, throttle(ThrottledByAccount)
	}
	f.running++
	if f.reserved == nil {
		c.common++
		return true, nil
	}
	return false, nil
}

func throttle(reason string) error {
	return &Error{Code: TooManyRequests, Message: "Rate Exceeded.", Reason: reason}
}

// leave ends an execution that enter admitted.
func (c *concurrency) leave(f *function, common bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.running--
	if common {
		c.common--
	}
}

// PutFunctionConcurrency reserves concurrency for a function, which is also the most it may have. Zero throttles all of
// its invocations.
func (s *Service) PutFunctionConcurrency(name string, n int) error {
	if n < 0 {
		return refuse(InvalidParameterValue, "%d reserved executions of %s: there cannot be fewer than 0", n, name)
	}
	return s.reserve(name, &n)
}

// DeleteFunctionConcurrency ends a function's reservation.
func (s *Service) DeleteFunctionConcurrency(name string) error { return s.reserve(name, nil) }

// GetFunctionConcurrency is a function's reservation; nil if it has none.
func (s *Service) GetFunctionConcurrency(name string) (*int, error) {
	f, err := s.lookup(name)
	if err != nil {
		return nil, err
	}
	return s.reservation(f), nil
}

func (s *Service) reservation(f *function) *int {
	s.load.mu.Lock()
	defer s.load.mu.Unlock()
	return f.reserved
}

func (s *Service) reserve(name string, n *int) error {
	done, err := s.control()
	if err != nil {
		return err
	}
	defer done()
	f, err := s.lookup(name)
	if err != nil {
		if n != nil { // so says PutFunctionConcurrency: recorded by LocalStack, test_function_concurrency_exceptions
			err = s.notFound(FunctionRef{name, latestVersion})
		}
		return err
	}
	f.plane.Lock()
	defer f.plane.Unlock()
	f.mu.Lock()
	deleted := f.deleted
	f.mu.Unlock()
	if deleted {
		return s.notFound(FunctionRef{Name: f.name})
	}
	before, err := s.load.reserve(f, n)
	if err != nil {
		return err
	}
	if err := s.keep(f); err != nil {
		_, undo := s.load.reserve(f, before)
		if undo != nil {
			s.Log.Warn("reservation", "function", f.name, "error", undo)
		}
		return err
	}
	f.queue.dispatch() // there may be room for events that wait
	return nil
}

// reserve replaces a function's reservation.
func (c *concurrency) reserve(f *function, n *int) (before *int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before = f.reserved
	total := c.reserved
	if before != nil {
		total -= *before
	}
	if n != nil {
		total += *n
		if *n > 0 && c.limit-total < c.keep() {
			return before, refuse(InvalidParameterValue, "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", c.keep())
		}
	}
	c.reserved, f.reserved = total, n
	return before, nil
}

// release gives back the reservation of a function that is gone.
func (s *Service) release(f *function) {
	_, _ = s.load.reserve(f, nil) // less can always be reserved
}

// AccountSettings are an account's limits and what it uses of them.
// https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
type AccountSettings struct {
	TotalCodeSizeLimit             int64 // bytes
	CodeSizeUnzipped, CodeSizeZip  int64
	ConcurrentExecutions           int
	UnreservedConcurrentExecutions int

	TotalCodeSize int64 // of all versions of all functions
	FunctionCount int
}

// maxTotalCode is AWS's quota of 75 GB. The lab does not enforce it.
const maxTotalCode = 75 << 30

// GetAccountSettings tells an account's limits and usage.
func (s *Service) GetAccountSettings() AccountSettings {
	a := AccountSettings{
		TotalCodeSizeLimit: maxTotalCode,
		CodeSizeUnzipped:   cmp.Or(s.Limits.Unzipped, sandbox.DefaultUnzipped), CodeSizeZip: cmp.Or(s.Limits.Zipped, sandbox.DefaultZipped),
	}
	for _, f := range s.all() {
		a.FunctionCount++
		for _, v := range f.all() {
			f.mu.Lock()
			a.TotalCodeSize += v.config.CodeSize
			f.mu.Unlock()
		}
	}
	s.load.mu.Lock()
	defer s.load.mu.Unlock()
	a.ConcurrentExecutions, a.UnreservedConcurrentExecutions = s.load.limit, s.load.limit-s.load.reserved
	return a
}
