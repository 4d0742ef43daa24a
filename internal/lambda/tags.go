package lambda

import (
	"maps"
	"strings"
	"unicode/utf8"
)

// Limits of tags. https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
const (
	maxTags     = 50
	maxTagKey   = 128 // characters
	maxTagValue = 256
)

// TagResource adds tags to a function, which is named by its ARN, and replaces those with the same keys.
func (s *Service) TagResource(arn string, tags map[string]string) error {
	return s.retag(arn, func(all map[string]string) error {
		if len(tags) == 0 { // AWS's words, recorded by LocalStack: test_lambda_api.snapshot.json, test_tag_exceptions
			return refuse(InvalidParameterValue, "An error occurred and the request cannot be processed.")
		}
		maps.Copy(all, tags)
		return checkTags(all)
	})
}

// UntagResource takes tags from a function. Those that it does not have are gone already.
func (s *Service) UntagResource(arn string, keys []string) error {
	return s.retag(arn, func(all map[string]string) error {
		for _, k := range keys {
			delete(all, k)
		}
		return nil
	})
}

// ListTags tells a function's tags.
func (s *Service) ListTags(arn string) (map[string]string, error) {
	f, err := s.tagged(arn)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.tags), nil
}

// retag replaces a function's tags by a copy that edit has changed.
func (s *Service) retag(arn string, edit func(map[string]string) error) error {
	done, err := s.control()
	if err != nil {
		return err
	}
	defer done()
	f, err := s.tagged(arn)
	if err != nil {
		return err
	}
	f.plane.Lock()
	defer f.plane.Unlock()
	f.mu.Lock()
	before, gone := f.tags, f.deleted
	f.mu.Unlock()
	if gone {
		return s.notFound(FunctionRef{Name: f.name})
	}
	tags := map[string]string{}
	maps.Copy(tags, before)
	if err := edit(tags); err != nil {
		return err
	}
	f.setTags(tags)
	if err := s.keep(f); err != nil {
		f.setTags(before)
		return err
	}
	return nil
}

func (f *function) setTags(tags map[string]string) {
	f.mu.Lock()
	f.tags = tags
	f.mu.Unlock()
}

// tagged finds the function that an ARN names. Its versions have no tags.
func (s *Service) tagged(arn string) (*function, error) {
	if !strings.HasPrefix(arn, "arn:") {
		return nil, refuse(ValidationException, "1 validation error detected: Value '%s' at 'resource' failed to satisfy constraint: it must be the ARN of a function", arn)
	}
	ref, err := s.Ref(arn, "")
	if err != nil {
		return nil, err
	}
	if ref.Qualifier != "" {
		return nil, refuse(InvalidParameterValue, "Tags on function aliases and versions are not supported. Please specify a function ARN.")
	}
	return s.lookup(ref.Name)
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return refuse(InvalidParameterValue, "Number of tags exceeds resource tag limit.")
	}
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > maxTagKey || utf8.RuneCountInString(value) > maxTagValue:
			return refuse(InvalidParameterValue, "tag %q: a key has 1 to %d characters, a value at most %d", key, maxTagKey, maxTagValue)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return refuse(InvalidParameterValue, "tag %q: keys that begin with aws: are for AWS", key)
		}
	}
	return nil
}
