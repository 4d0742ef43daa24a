package ec2

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxTags is AWS's limit for one resource. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
const maxTags = 50

func checkTags(tags map[string]string) error {
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > 127:
			return refuse(InvalidParameterValue, "Tag keys must have between 1 and 127 characters.")
		case utf8.RuneCountInString(value) > 256:
			return refuse(InvalidParameterValue, "Tag values must have at most 256 characters.")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return refuse(InvalidParameterValue, "Tag keys starting with 'aws:' are reserved for internal use")
		}
	}
	if len(tags) > maxTags {
		return refuse(TagLimitExceeded, "The maximum number of tags for a resource is %d.", maxTags)
	}
	return nil
}

// CreateTags adds tags to resources, or replaces their values. Either all are changed or none.
func (s *Service) CreateTags(resources []string, tags map[string]string) error {
	if len(tags) == 0 {
		return missing("tag")
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	return s.retag(resources, func(now map[string]string) { maps.Copy(now, tags) })
}

// DeleteTags takes tags away; a value that is not nil must be the tag's. No tags at all means all of them.
func (s *Service) DeleteTags(resources []string, tags map[string]*string) error {
	return s.retag(resources, func(now map[string]string) {
		if len(tags) == 0 {
			clear(now)
		}
		for key, value := range tags {
			if value == nil || *value == now[key] {
				delete(now, key)
			}
		}
	})
}

// retag changes the tags of resources, and forgets those of interfaces that are gone: Lambda's come and go.
func (s *Service) retag(resources []string, change func(map[string]string)) error {
	if len(resources) == 0 {
		return missing("resourceId")
	}
	s.change.Lock()
	defer s.change.Unlock()
	existing := s.resourceIDs()
	var edits []edit
	for id := range s.tags.all {
		if !existing[id] {
			edits = append(edits, drop(s.tags, id))
		}
	}
	for _, id := range resources {
		if !existing[id] {
			return unknownResource(id)
		}
		now := maps.Clone(s.tags.all[id])
		if now == nil {
			now = map[string]string{}
		}
		change(now)
		if err := checkTags(now); err != nil {
			return err
		}
		edits = append(edits, setTags(s, id, now))
	}
	return s.record("Change the tags", edits...)
}

// resourceIDs are the ids of all that can have tags. The caller holds mu or change.
func (s *Service) resourceIDs() map[string]bool {
	ids := map[string]bool{}
	for id := range s.vpcs.all {
		ids[id], ids[ofVPC("rtb-", id)], ids[ofVPC("acl-", id)] = true, true, true
	}
	for id := range s.subnets.all {
		ids[id] = true
	}
	for id, g := range s.groups.all {
		ids[id] = true
		for _, r := range g.Rules {
			ids[r.SecurityGroupRuleID] = true
		}
	}
	for _, vpc := range s.Network.VPCs() {
		for _, i := range vpc.Interfaces() {
			ids[i.ID] = true
		}
	}
	return ids
}

// setTags is the edit that gives a resource these tags alone.
func setTags(s *Service, id string, tags map[string]string) edit {
	if len(tags) == 0 {
		return drop(s.tags, id)
	}
	return put(s.tags, id, maps.Clone(tags))
}

// TagDescription is a tag as DescribeTags shows it.
type TagDescription struct{ ResourceID, ResourceType, Key, Value string }

// tagKind is how tags are asked for.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeTags.html
func tagKind() kind[TagDescription] {
	return kind[TagDescription]{
		id: func(t TagDescription) string { return t.ResourceID + " " + t.Key },
		attributes: attributes[TagDescription]{
			"resource-id":   one(func(t TagDescription) string { return t.ResourceID }),
			"resource-type": one(func(t TagDescription) string { return t.ResourceType }),
			"key":           one(func(t TagDescription) string { return t.Key }),
			"value":         func(t TagDescription) []string { return []string{t.Value} },
		},
		tags: func(t TagDescription) map[string]string { return map[string]string{t.Key: t.Value} },
	}
}

// resourceTypes are the kinds of resources by the beginning of their ids.
var resourceTypes = map[string]string{
	"vpc": "vpc", "subnet": "subnet", "sg": "security-group", "sgr": "security-group-rule", "eni": "network-interface",
	"rtb": "route-table", "acl": "network-acl",
}

// DescribeTags shows the tags of all resources; it takes filters alone.
func (s *Service) DescribeTags(q Query) (Page[TagDescription], error) {
	q.IDs = nil
	var all []TagDescription
	s.mu.RLock()
	existing := s.resourceIDs()
	for id, tags := range s.tags.all {
		kind, _, _ := strings.Cut(id, "-")
		for key, value := range tags {
			if existing[id] {
				all = append(all, TagDescription{id, resourceTypes[kind], key, value})
			}
		}
	}
	s.mu.RUnlock()
	sortByID(tagKind(), all)
	return describe(tagKind(), all, q)
}

// sortByID puts things in the order that describe expects.
func sortByID[T any](k kind[T], all []T) {
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(k.id(a), k.id(b)) })
}
