import { crashMatrix } from './matrix.ts';

crashMatrix('pgoutput');
