package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"enilab/internal/daemon"
)

// dryRunDown says what `up` would change in a lab that is down, as far as its state tells, and refuses what it would.
func (s *starter) dryRunDown(state string) (lines []string, err error) {
	if err := s.tryAddress(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(s.place.DB()); errors.Is(err, fs.ErrNotExist) { // it was never up
		return s.flags.planFromNothing(s.declared)
	}
	difference, err := s.differsRecorded()
	if err != nil {
		return nil, err
	}
	lines = []string{fmt.Sprintf("would bring lab %s back: %s", s.place.Name, state)}
	if difference != "" {
		lines = append(lines, "would change settings: "+difference)
	}
	if s.declared == nil {
		return lines, nil
	}
	changes, err := s.planRecorded()
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		lines = append(lines, changeLine(c, true))
	}
	switch {
	case len(changes) > 0:
	case difference != "":
		lines = append(lines, butForThat)
	default:
		lines = append(lines, asItSays)
	}
	return lines, nil
}

// refuseDown refuses a topology that the lab could not be made after, before the lab is brought back: what is refused leaves
// it as it was. What cannot be known from here, the lab says when it is up.
func (s *starter) refuseDown() (err error) {
	if s.declared == nil {
		return nil
	}
	if _, statErr := os.Stat(s.place.DB()); errors.Is(statErr, fs.ErrNotExist) { // it was never up
		_, err = s.flags.planFromNothing(s.declared)
	} else {
		_, err = s.planRecorded()
	}
	if refused := new(exitError); errors.As(err, &refused) && refused.code == exitUsage {
		return err
	}
	return nil
}

// wanted are the settings that a lab is to have which has had others.
func (s *starter) wanted(had daemon.Settings) (daemon.Settings, error) {
	wanted := had
	if s.settings != nil {
		wanted = *s.settings
	}
	wanted.Listen = had.Listen
	wanted = wanted.Inherit(had)
	return wanted, s.flags.overlay(&wanted)
}

// differsRecorded is in what the settings that are asked for differ from those of the lab's state.
func (s *starter) differsRecorded() (difference string, err error) {
	had, ok, err := daemon.RecordedSettings(s.place.DB())
	if err != nil || !ok {
		return "", err
	}
	had = had.Inherit(had)
	wanted, err := s.wanted(had)
	difference, fixed := wanted.Difference(had)
	if err == nil && fixed {
		err = s.cannotChange(difference)
	}
	return difference, err
}

// planRecorded is what the topology changes in a lab that is known from its state alone.
func (s *starter) planRecorded() (changes []daemon.Change, err error) {
	recalled, err := daemon.Recall(daemon.Config{
		Name: s.place.Name, DB: s.place.DB(), Settings: s.settings, Whoami: whoamiArgv("{address}:80"),
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, recalled.Close()) }()
	settings, err := s.wanted(recalled.Settings())
	if err != nil {
		return nil, err
	}
	request := s.declared.request(true)
	request.Settings = &settings
	changes, err = recalled.Plan(request)
	return changes, told(err)
}
