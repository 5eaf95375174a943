// Sentences with names of the code in them.

import { element } from './message.js';

/** The nodes of a text in which names stand between backticks. */
export const prose = (text) => text.split('`').map((part, index) => (index % 2 ? element('code', '', part) : part));
