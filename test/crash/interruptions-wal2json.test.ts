import { huntInterruptions } from './interruptions.ts';

huntInterruptions('wal2json');
