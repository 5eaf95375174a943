// The states of a delivery, as people call them.

export const WORDS = { pending: 'waiting', 'in-flight': 'being sent', delivered: 'delivered', dead: 'given up', combined: 'in a digest' };
