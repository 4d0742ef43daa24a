package lambda

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// EventInvokeConfig says how asynchronous events of a function, a version or an alias are dealt with.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
type EventInvokeConfig struct {
	MaximumRetryAttempts     *int `json:",omitempty"` // 0 to 2; nil means 2
	MaximumEventAgeInSeconds *int `json:",omitempty"` // 60 to 21,600; nil means 6 hours
	LastModified             time.Time
	FunctionARN              string `json:"-"`
}

// retries is how often an event is given again to a function that failed.
func (c EventInvokeConfig) retries() int {
	if c.MaximumRetryAttempts == nil {
		return len(retryPauses)
	}
	return min(*c.MaximumRetryAttempts, len(retryPauses))
}

// age is how old an event may become.
func (c EventInvokeConfig) age() time.Duration {
	if c.MaximumEventAgeInSeconds == nil {
		return maxEventAge
	}
	return time.Duration(*c.MaximumEventAgeInSeconds) * time.Second
}

// PutFunctionEventInvokeConfig replaces the configuration; with keep, what is nil stays as it is, and there must be one.
func (s *Service) PutFunctionEventInvokeConfig(ref FunctionRef, c EventInvokeConfig, keep bool) (EventInvokeConfig, error) {
	qualifier := cmp.Or(ref.Qualifier, latestVersion)
	if _, err := s.version(ref); err != nil {
		return c, refuse(ResourceNotFound, "The function doesn't exist.")
	}
	err := s.append(ref.Name, func(_ *function, x *appendix) error {
		was, there := x.EventConfigs[qualifier]
		if keep && !there {
			return s.noEventConfig(ref.Name, qualifier)
		}
		if keep {
			c.MaximumRetryAttempts = cmp.Or(c.MaximumRetryAttempts, was.MaximumRetryAttempts)
			c.MaximumEventAgeInSeconds = cmp.Or(c.MaximumEventAgeInSeconds, was.MaximumEventAgeInSeconds)
		}
		c.LastModified, c.FunctionARN = time.Now().UTC(), s.arn(ref.Name, qualifier)
		put(&x.EventConfigs, qualifier, c)
		return nil
	})
	return c, err
}

// GetFunctionEventInvokeConfig describes a configuration.
func (s *Service) GetFunctionEventInvokeConfig(ref FunctionRef) (EventInvokeConfig, error) {
	qualifier := cmp.Or(ref.Qualifier, latestVersion)
	x, _ := s.appendixOf(ref.Name) // of a function that is not there AWS says the same
	c, there := x.EventConfigs[qualifier]
	if !there {
		return c, s.noEventConfig(ref.Name, qualifier)
	}
	c.FunctionARN = s.arn(ref.Name, qualifier)
	return c, nil
}

// ListFunctionEventInvokeConfigs describes all of a function, ordered by qualifier.
func (s *Service) ListFunctionEventInvokeConfigs(function string) ([]EventInvokeConfig, error) {
	x, err := s.appendixOf(function)
	if err != nil {
		return nil, refuse(ResourceNotFound, "The function doesn't exist.")
	}
	var list []EventInvokeConfig
	for _, qualifier := range slices.Sorted(maps.Keys(x.EventConfigs)) {
		c := x.EventConfigs[qualifier]
		c.FunctionARN = s.arn(function, qualifier)
		list = append(list, c)
	}
	return list, nil
}

// DeleteFunctionEventInvokeConfig gives a function AWS's defaults again.
func (s *Service) DeleteFunctionEventInvokeConfig(ref FunctionRef) error {
	qualifier := cmp.Or(ref.Qualifier, latestVersion)
	if _, err := s.GetFunctionEventInvokeConfig(ref); err != nil {
		return err
	}
	return s.append(ref.Name, func(_ *function, x *appendix) error {
		delete(x.EventConfigs, qualifier)
		return nil
	})
}

func (s *Service) noEventConfig(function, qualifier string) error {
	return refuse(ResourceNotFound, "The function %s doesn't have an EventInvokeConfig", s.arn(function, qualifier))
}

// eventConfig is how the function deals with events that were sent to a qualifier.
func (f *function) eventConfig(qualifier string) EventInvokeConfig {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.appendix.EventConfigs[cmp.Or(qualifier, latestVersion)]
}
