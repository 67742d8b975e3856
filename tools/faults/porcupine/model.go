// What may be answered in which state? Booking's rules a third time, over one partition of a history.
package main

import (
	"maps"

	"github.com/anishathalye/porcupine"
)

const (
	visitsAtMost = 10
	holdsAtMost  = 2
)

// Slot is an offer; instants are in seconds since 1970.
type Slot struct {
	ID       string  `json:"slot"`
	StartsAt float64 `json:"starts_at"`
	EndsAt   float64 `json:"ends_at"`
}

// Answered is an operation and its answer. Asked and Told are in seconds since 1970: a hold ends by the clock.
type Answered struct {
	Kind        string  `json:"kind"`
	Patient     string  `json:"patient"`
	Slot        string  `json:"slot"`
	Appointment string  `json:"appointment"`
	Hold        string  `json:"hold"`
	Result      string  `json:"result"`
	Code        string  `json:"code"`
	ExpiresAt   float64 `json:"expires_at"`
	Asked       float64 `json:"asked"`
	Told        float64 `json:"told"`
}

type visit struct{ slot, patient string }

type hold struct {
	slot, patient string
	expiresAt     float64
}

// state is never changed once made: the search comes back to it.
type state struct {
	visits    map[string]visit
	holds     map[string]hold
	cancelled map[string]bool
}

func (s state) with(change func(*state)) state {
	next := state{maps.Clone(s.visits), maps.Clone(s.holds), maps.Clone(s.cancelled)}
	change(&next)
	return next
}

func (s state) equal(other state) bool {
	return maps.Equal(s.visits, other.visits) && maps.Equal(s.holds, other.holds) &&
		maps.Equal(s.cancelled, other.cancelled)
}

// rules judge one partition: the time of a doctor, or the time and the limits of a patient.
type rules struct {
	slots     map[string]Slot
	ofPatient bool
}

func (r rules) model() porcupine.Model {
	return porcupine.Model{
		Init: func() interface{} {
			return state{map[string]visit{}, map[string]hold{}, map[string]bool{}}
		},
		Step: func(now, asked, _ interface{}) (bool, interface{}) {
			legal, next := r.step(now.(state), asked.(Answered))
			return legal, next
		},
		Equal: func(one, other interface{}) bool { return one.(state).equal(other.(state)) },
	}
}

func (r rules) step(now state, a Answered) (bool, state) {
	switch {
	case a.Code != "":
		return r.refused(now, a), now
	case a.Kind == "book":
		if now.visits[a.Result] == (visit{a.Slot, a.Patient}) {
			return true, now
		}
		room := !r.ofPatient || len(now.visits) < visitsAtMost
		fresh := !now.cancelled[a.Result] && now.visits[a.Result] == visit{}
		return fresh && room && r.free(now, a), r.taken(now, a)
	case a.Kind == "move":
		_, here := r.slots[a.Slot]
		if now.visits[a.Result] == (visit{a.Slot, a.Patient}) {
			return true, now
		}
		if !here {
			return !now.cancelled[a.Result], now.with(func(s *state) { delete(s.visits, a.Result) })
		}
		return !now.cancelled[a.Result] && r.free(now, a), r.taken(now, a)
	case a.Kind == "cancel":
		if now.cancelled[a.Appointment] {
			return true, now
		}
		return true, now.with(func(s *state) {
			delete(s.visits, a.Appointment)
			s.cancelled[a.Appointment] = true
		})
	case a.Kind == "hold":
		if held, there := now.holds[a.Result]; there && held.expiresAt > a.Asked {
			return held.slot == a.Slot && held.patient == a.Patient, now
		}
		room := !r.ofPatient || r.living(now, a.Told) < holdsAtMost
		return room && r.free(now, a), now.with(func(s *state) {
			s.holds[a.Result] = hold{a.Slot, a.Patient, a.ExpiresAt}
		})
	default: // release
		if _, there := now.holds[a.Hold]; !there {
			return true, now
		}
		return true, now.with(func(s *state) { delete(s.holds, a.Hold) })
	}
}

func (r rules) refused(now state, a Answered) bool {
	switch a.Code {
	case "slot-taken":
		return r.ofPatient || r.visited(now, a) || r.held(now, a, a.Asked)
	case "patient-busy":
		if r.ofPatient {
			return r.visited(now, a)
		}
		return r.free(now, a)
	case "booking-limit":
		return r.free(now, a) && (!r.ofPatient || len(now.visits) >= visitsAtMost)
	case "hold-limit":
		return r.free(now, a) && (!r.ofPatient || r.living(now, a.Asked) >= holdsAtMost)
	case "hold-expired":
		held, there := now.holds[a.Hold]
		return !there || held.expiresAt <= a.Told
	case "appointment-cancelled":
		return now.cancelled[a.Appointment]
	default:
		return false
	}
}

// free says whether nothing stood in the way, at the latest when the answer was given.
func (r rules) free(now state, a Answered) bool {
	return !r.visited(now, a) && !r.held(now, a, a.Told)
}

// visited says whether a visit other than the one that moves shares the slot's time.
func (r rules) visited(now state, a Answered) bool {
	for id, stands := range now.visits {
		if id != a.Appointment && r.overlap(stands.slot, a.Slot) {
			return true
		}
	}
	return false
}

// held says whether another patient's hold shares the slot's time and lives beyond an instant.
func (r rules) held(now state, a Answered, at float64) bool {
	for _, kept := range now.holds {
		if kept.patient != a.Patient && kept.expiresAt > at && r.overlap(kept.slot, a.Slot) {
			return true
		}
	}
	return false
}

func (r rules) living(now state, at float64) int {
	living := 0
	for _, kept := range now.holds {
		if kept.expiresAt > at {
			living++
		}
	}
	return living
}

func (r rules) overlap(one, other string) bool {
	a, b := r.slots[one], r.slots[other]
	return a.StartsAt < b.EndsAt && b.StartsAt < a.EndsAt
}

// taken puts the appointment into its slot, which ends the patient's holds of it.
func (r rules) taken(now state, a Answered) state {
	return now.with(func(s *state) {
		s.visits[a.Result] = visit{a.Slot, a.Patient}
		for id, kept := range s.holds {
			if kept.slot == a.Slot && kept.patient == a.Patient {
				delete(s.holds, id)
			}
		}
	})
}
