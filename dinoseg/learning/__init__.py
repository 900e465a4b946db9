"""What every kind of learning here shares: how near a student is, schedules, the running average of weights."""
