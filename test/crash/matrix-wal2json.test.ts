import { crashMatrix } from './matrix.ts';

crashMatrix('wal2json');
