package iam

import (
	"maps"
	"strings"
	"unicode/utf8"
)

// checkTags holds tags to IAM's limits. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules
func checkTags(of string, tags map[string]string) error {
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128:
			return refuse(ValidationError, "1 validation error detected: Value '%s' at 'tags.key' failed to satisfy constraint: Member must have length between 1 and 128", key)
		case utf8.RuneCountInString(value) > 256:
			return refuse(ValidationError, "1 validation error detected: Value at 'tags.value' failed to satisfy constraint: Member must have length less than or equal to 256")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return refuse(InvalidInput, "Tag keys starting with 'aws:' are reserved for internal use.")
		}
	}
	if len(tags) > maxTags {
		return refuse(LimitExceeded, "Cannot exceed quota for TagsPer%s: %d", of, maxTags)
	}
	return nil
}

// addTags adds tags to others. Keys differ by more than case: the new spelling takes the old one's place.
func addTags(of string, old, added map[string]string) (map[string]string, error) {
	all := maps.Clone(old)
	if all == nil {
		all = map[string]string{}
	}
	for key, value := range added {
		removeTag(all, key)
		all[key] = value
	}
	return all, checkTags(of, all)
}

func removeTag(tags map[string]string, key string) {
	maps.DeleteFunc(tags, func(k, _ string) bool { return strings.EqualFold(k, key) })
}

// TagRole adds tags to a role, or replaces their values.
func (s *Service) TagRole(name string, tags map[string]string) error {
	return s.change(name, func(r *record) (err error) {
		r.Role.Tags, err = addTags("Role", r.Role.Tags, tags)
		return err
	})
}

// UntagRole takes tags from a role. One that it has not is no error.
func (s *Service) UntagRole(name string, keys []string) error {
	return s.change(name, func(r *record) error {
		r.Role.Tags = maps.Clone(r.Role.Tags)
		for _, key := range keys {
			removeTag(r.Role.Tags, key)
		}
		return nil
	})
}

// TagPolicy adds tags to a policy of the account's, or replaces their values.
func (s *Service) TagPolicy(arn string, tags map[string]string) error {
	return s.changePolicy(arn, func(r *policyRecord) (err error) {
		r.Policy.Tags, err = addTags("Policy", r.Policy.Tags, tags)
		return err
	})
}

// UntagPolicy takes tags from a policy of the account's.
func (s *Service) UntagPolicy(arn string, keys []string) error {
	return s.changePolicy(arn, func(r *policyRecord) error {
		for _, key := range keys {
			removeTag(r.Policy.Tags, key)
		}
		return nil
	})
}
