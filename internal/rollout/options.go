package rollout

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"enilab/internal/lambda"
)

// Options say what workload is moved, and how.
type Options struct {
	From      lambda.Mode   // that the functions begin with
	Functions int           // 1 to 100
	Steps     Steps         // shares of the functions
	Hold      time.Duration // how long a step lasts, 1 s to 10 min; if its changes take longer, until they are made
	Rate      float64       // requests a second over all functions, 1 to 1000
	Fresh     float64       // share of the requests that need a new environment, 0 to 1
	Seed      uint64        // chooses these requests
	Progress  func(Progress)
}

// Progress is how far a rollout has come.
type Progress struct {
	Percent int           // shared by now, or on the way
	At, Of  time.Duration // of the whole
	Sent    int           // requests
	Waiting int           // of them, without an answer
}

// mostInvocations bounds a report: a line of JSON of 30 MB.
const mostInvocations = 200_000

// Validate refuses what cannot be run. Every error begins with the option's name.
func (o Options) Validate() error {
	switch {
	case o.From != lambda.Legacy && o.From != lambda.LegacyInPlace:
		return fmt.Errorf("from %q: give %s or %s", o.From, lambda.Legacy, lambda.LegacyInPlace)
	case o.Functions < 1 || o.Functions > 100: // a subnet has 251 addresses
		return fmt.Errorf("functions %d: give 1 to 100", o.Functions)
	case !(o.Rate >= 1 && o.Rate <= 1000): // nor NaN
		return fmt.Errorf("rate %v: give 1 to 1000 requests a second", o.Rate)
	case !(o.Fresh >= 0 && o.Fresh <= 1):
		return fmt.Errorf("fresh %v: give a share, 0 to 1", o.Fresh)
	case o.Hold < time.Second || o.Hold > 10*time.Minute:
		return fmt.Errorf("hold %v: give 1s to 10m", o.Hold)
	}
	if err := o.Steps.check(o.Functions); err != nil {
		return err
	}
	if n := o.Rate * o.length().Seconds(); n > mostInvocations {
		return fmt.Errorf("rate %v: for %v that is %.0f requests, and %d can be recorded; give a lower rate or shorter steps", o.Rate, o.length(), n, mostInvocations)
	}
	return nil
}

func (o Options) length() time.Duration { return time.Duration(len(o.Steps)) * o.Hold }

// Steps are ascending percentages of the functions. It is a flag's value.
type Steps []int

const mostSteps = 20

// Set reads "0,10,50,100".
func (s *Steps) Set(text string) error {
	*s = nil
	if strings.TrimSpace(text) == "" {
		return errors.New("give percentages, such as 0,10,50,100")
	}
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil {
			return fmt.Errorf("%q is no whole number; give percentages, such as 0,10,50,100", field)
		}
		*s = append(*s, n)
	}
	return nil
}

// String is what Set reads.
func (s *Steps) String() string {
	fields := make([]string, len(*s))
	for i, n := range *s {
		fields[i] = strconv.Itoa(n)
	}
	return strings.Join(fields, ",")
}

// Type names the value in a flag's help.
func (s *Steps) Type() string { return "percentages" }

// check wants every step to move at least one function.
func (s Steps) check(functions int) error {
	if len(s) == 0 || len(s) > mostSteps {
		return fmt.Errorf("steps: %d are given; give 1 to %d", len(s), mostSteps)
	}
	for i, percent := range s {
		if percent < 0 || percent > 100 {
			return fmt.Errorf("steps %s: %d is no percentage of 0 to 100", &s, percent)
		}
		if i == 0 {
			continue
		}
		if before := s[i-1]; percent <= before {
			return fmt.Errorf("steps %s: %d does not follow %d; give them in ascending order", &s, percent, before)
		} else if n := share(percent, functions); n == share(before, functions) {
			return fmt.Errorf("steps %s: %d %% and %d %% of %d functions are both %d; give more functions or fewer steps", &s, before, percent, functions, n)
		}
	}
	return nil
}

// share is a percentage of the functions: at least that much, so that 1 % is one of them.
func share(percent, functions int) int { return (percent*functions + 99) / 100 }
