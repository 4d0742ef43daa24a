package lambda

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Alias is a name for a version of a function, or for two between which invocations are divided.
// https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
type Alias struct {
	Name            string
	FunctionVersion string
	Description     string             `json:",omitempty"`
	Weights         map[string]float64 `json:",omitempty"` // version → share of the invocations, 0 to 1; the rest is FunctionVersion's
	RevisionID      string
	ARN             string `json:"-"`
}

// AliasInput asks for an alias, or for a change of one.
type AliasInput struct {
	Function        string
	Name            string
	FunctionVersion string             // of a change: empty means as it is
	Description     *string            // nil: as it is
	Weights         map[string]float64 // nil: as they are; empty: none
	RevisionID      string             // of a change: unless empty, the alias must be at this revision
}

// CreateAlias gives a version a name.
func (s *Service) CreateAlias(in AliasInput) (a Alias, _ error) {
	if err := s.checkAlias(in.Function, in.FunctionVersion, in.Weights); err != nil {
		return a, err
	}
	err := s.append(in.Function, func(f *function, x *appendix) error {
		if _, there := x.Aliases[in.Name]; there {
			return refuse(ResourceConflict, "Alias already exists: %s", s.arn(in.Function, in.Name))
		}
		a = Alias{Name: in.Name, FunctionVersion: in.FunctionVersion, Weights: maps.Clone(in.Weights), RevisionID: uuid.NewString(), ARN: s.arn(in.Function, in.Name)}
		set(&a.Description, in.Description)
		put(&x.Aliases, in.Name, a)
		return nil
	})
	return a, err
}

// UpdateAlias changes an alias. The next invocation goes by what it says then.
func (s *Service) UpdateAlias(in AliasInput) (a Alias, _ error) {
	a, err := s.GetAlias(in.Function, in.Name)
	if err != nil { // in other words than GetAlias: recorded by LocalStack, test_non_existent_alias_update
		return a, refuse(ResourceNotFound, "Alias not found: %s", s.arn(in.Function, in.Name))
	}
	weights := a.Weights
	if in.Weights != nil {
		weights = in.Weights
	}
	if err := s.checkAlias(in.Function, cmp.Or(in.FunctionVersion, a.FunctionVersion), weights); err != nil {
		return a, err
	}
	err = s.append(in.Function, func(f *function, x *appendix) error {
		was, there := x.Aliases[in.Name]
		switch {
		case !there:
			return s.noAlias(in.Function, in.Name)
		case in.RevisionID != "" && in.RevisionID != was.RevisionID:
			return refuse(PreconditionFailed, staleRevision)
		}
		a = was
		a.FunctionVersion = cmp.Or(in.FunctionVersion, a.FunctionVersion)
		set(&a.Description, in.Description)
		if in.Weights != nil {
			a.Weights = maps.Clone(in.Weights)
		}
		a.RevisionID, a.ARN = uuid.NewString(), s.arn(in.Function, in.Name)
		put(&x.Aliases, in.Name, a)
		return nil
	})
	return a, err
}

// checkAlias refuses versions that an alias cannot name. The sentences are AWS's, recorded by LocalStack:
// test_lambda_api.snapshot.json, test_notfound_and_invalid_routingconfigs.
func (s *Service) checkAlias(function, version string, weights map[string]float64) error {
	if len(weights) > 1 {
		return refuse(InvalidParameterValue, "Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	for other := range weights {
		switch {
		case other == version:
			return refuse(InvalidParameterValue, "Invalid function version %s. Function version %[1]s is already included in routing configuration.", version)
		case version == latestVersion:
			return refuse(InvalidParameterValue, "$LATEST is not supported for an alias pointing to more than 1 version")
		}
		if _, err := s.version(FunctionRef{function, other}); err != nil {
			return err
		}
	}
	if _, err := strconv.Atoi(version); err != nil && version != latestVersion {
		return s.notFound(FunctionRef{function, version}) // the name of another alias, say
	}
	_, err := s.version(FunctionRef{function, version})
	return err
}

// GetAlias describes an alias.
func (s *Service) GetAlias(function, name string) (Alias, error) {
	x, err := s.appendixOf(function)
	if err != nil {
		return Alias{}, s.noAlias(function, name)
	}
	a, there := x.Aliases[name]
	if !there {
		return a, s.noAlias(function, name)
	}
	a.ARN = s.arn(function, name)
	return a, nil
}

// ListAliases describes a function's aliases, or those that send something to one version, ordered by name.
func (s *Service) ListAliases(function, version string) ([]Alias, error) {
	x, err := s.appendixOf(function)
	if err != nil {
		return nil, err
	}
	var list []Alias
	for _, a := range x.Aliases {
		if _, also := a.Weights[version]; version == "" || a.FunctionVersion == version || also {
			a.ARN = s.arn(function, a.Name)
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b Alias) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// DeleteAlias takes a name away, with the policy and the configuration that it had. One that is not there is gone already.
func (s *Service) DeleteAlias(of, name string) error {
	return s.append(of, func(_ *function, x *appendix) error {
		delete(x.Aliases, name)
		*x = x.forget(name)
		return nil
	})
}

func (s *Service) noAlias(function, name string) error {
	return refuse(ResourceNotFound, "Cannot find alias arn: %s", s.arn(function, name))
}

// pick is the version that the alias sends an invocation to, by a number that chance has drawn from 0 to 1.
func (a Alias) pick(share float64) string {
	for version, weight := range a.Weights { // of one version at most
		if share < weight {
			return version
		}
		share -= weight
	}
	return a.FunctionVersion
}

// route finds the version that serves one invocation: of an alias, by its weights.
func (s *Service) route(ref FunctionRef) (*version, error) {
	if ref.Qualifier != "" && ref.Qualifier != latestVersion {
		if x, err := s.appendixOf(ref.Name); err == nil {
			if a, there := x.Aliases[ref.Qualifier]; there {
				return s.version(FunctionRef{ref.Name, a.pick(rand.Float64())})
			}
		}
	}
	v, err := s.version(ref)
	if err != nil && ref.Qualifier == "" { // so says Invoke: recorded by LocalStack, test_function_name_and_qualifier_validation
		return nil, s.notFound(FunctionRef{ref.Name, latestVersion})
	}
	return v, err
}

// named is a configuration under the name by which it was asked for: of an alias, the alias's.
func (s *Service) named(c FunctionConfiguration, ref FunctionRef) FunctionConfiguration {
	if _, err := strconv.Atoi(ref.Qualifier); err != nil && ref.Qualifier != "" && ref.Qualifier != latestVersion {
		c.FunctionARN = s.arn(ref.Name, ref.Qualifier)
	}
	return c
}

// invokedARN is what a function gets to know as the ARN that it was invoked by.
func (s *Service) invokedARN(c *FunctionConfiguration, ref FunctionRef) string {
	if ref.Qualifier == "" || ref.Qualifier == c.Version {
		return c.FunctionARN
	}
	return s.arn(ref.Name, ref.Qualifier)
}
