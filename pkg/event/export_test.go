package event

// Rejoin makes s leave its group and join it anew.
func Rejoin(s *Subscription) { s.rejoin() }
